BEGIN TRANSACTION;
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL,
    value TEXT NOT NULL
);
INSERT INTO "records" VALUES(1,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','quiesce','started','{}');
INSERT INTO "records" VALUES(2,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','quiesce','done','{}');
INSERT INTO "records" VALUES(3,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','take-snapshots','started','{}');
INSERT INTO "records" VALUES(4,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','take-snapshots','done','{}');
INSERT INTO "records" VALUES(5,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','power-on','started','{}');
INSERT INTO "records" VALUES(6,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','power-on','done','{}');
INSERT INTO "records" VALUES(7,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','step','replace-sts','started','{}');
INSERT INTO "records" VALUES(8,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','note','replace-sts','credential-index','2');
INSERT INTO "records" VALUES(9,'stsfix-20261123T210000Z-abcd','2026-11-23T21:00:00+00:00','note','replace-sts','leaf-sha256.1','abababababababababababababababababababababababababababababababab');
CREATE TABLE runs (
    run TEXT PRIMARY KEY, domain TEXT NOT NULL, created TEXT NOT NULL, version TEXT NOT NULL,
    plan TEXT NOT NULL, spec TEXT NOT NULL, inventory TEXT NOT NULL
);
INSERT INTO "runs" VALUES('stsfix-20261123T210000Z-abcd','vsphere.local','2026-11-23T21:00:00+00:00','0.1.0','["quiesce", "take-snapshots", "power-on", "replace-sts", "await-replication", "restart-services", "verify-logins", "retire-old"]','{"run": "stsfix-20261123T210000Z-abcd", "domain": "vsphere.local", "writer": "psc1.lab.example", "issuer": "own-ca", "validity_days": 3650, "retire": true, "accepted": [], "nodes": [{"fqdn": "psc1.lab.example", "role": "psc", "host": "esx1.lab.example", "moref": "1", "instance_uuid": "00000000-0000-4000-8000-000000000001", "name": "psc1"}, {"fqdn": "vc1.lab.example", "role": "vcenter", "host": "esx2.lab.example", "moref": "2", "instance_uuid": "00000000-0000-4000-8000-000000000002", "name": "vc1"}]}','{}');
CREATE INDEX records_by_run ON records (run, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('records',9);
COMMIT;
PRAGMA user_version = 1;
