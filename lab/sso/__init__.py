"""STS, vCenter and their HTTPS front of one lab node.

How the parts go together (all arguments after the first two by keyword)::

    sts = StsService(fqdn, directory, "vsphere.local",
                     clock=clock, clock_offset=offset, faults=faults)
    pages = PublishService(sts)
    vcenter = VcenterService(fqdn, sts, machine_certificate=pem, clock=clock,
                             clock_offset=offset, faults=faults, api_version="8.0.3.0")
    vapi = VapiService(fqdn, sts, clock=clock, clock_offset=offset, faults=faults)

    front = NodeFront(fqdn, port, tls, faults=faults)
    front.route("/sts", sts)
    for prefix in publish.PREFIXES:            # /websso, /openidconnect, /idm
        front.route(prefix, pages)
    front.route("/sdk", vcenter)
    front.route("/api", vapi)
    front.route("/rest", vapi)                 # releases up to 8.0

- *directory* is a `seams.DirectoryReader` of the node's own vmdir. It is asked at every
  refresh: give one that follows the disk when a snapshot is reverted.
- *offset* returns a ``timedelta``: how far the node's clock is ahead, asked each time.
- *pem* returns the machine certificate as PEM, asked at each start of vpxd.
- On an external vCenter *sts* is the `StsService` of its PSC, or anything with ``refusal``,
  ``anchors`` and ``issue_for`` (`logins.TokenAuthority`); its front has no ``/sts`` and pages.
- Every service and the front have ``running``, ``start()`` and ``stop()``, which may follow
  each other any number of times and do nothing when there is nothing to do. A service that does
  not run is 503 "no healthy upstream" behind its front; `PublishService` runs when its STS runs.
- ``VcenterService.start()`` raises `vcenter.StartRefused` (its text is a log line) when the STS
  cannot issue or the machine certificate is not valid. Nothing else refuses to start; an STS
  with a broken tenant runs and refuses.
- vpxd and vapi-endpoint trust the chains they saw at their own start, as long as
  ``trust_at_start`` is not False: after a repair they must be restarted to accept tokens.

For a judge, in process and without fault rules: ``sts.refusal()`` (None: a token would be issued
to the administrator now), ``sts.tenant`` (what is cached: signer, chains), ``sts.refresh()``,
``sts.validate(token)``, ``sts.issue_for(user, password)``.

Fault rules: ``sts issue <node>`` (also for logins of vpxd and vAPI; refused = wst:RequestFailed),
``https "<METHOD> <prefix>" <node>`` (refused = 503), ``soap <WSDL name> <node>`` (refused = the
fault named in detail), ``vapi create|get|delete <node>`` (refused = ServiceUnavailable).
"""
