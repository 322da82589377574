"""The part of vmdir's schema the lab serves: names, OIDs, syntaxes, cardinality, MUST and MAY.

Source: vmdir/config/vmdirschema.ldif of Lightwave a04d9171, read as facts. VMware's OIDs are text.
An OID that ends in a name instead of a number was not looked up; no client depends on it.
"""

# One attribute a line: name, OID, last arc of the syntax, S(ingle) or M(ulti), O(perational).
ATTRIBUTES = """
objectClass 2.5.4.0 38 M
cn 2.5.4.3 15 S
name 2.5.4.41 15 S
description 2.5.4.13 15 M
seeAlso 2.5.4.34 12 M
userPassword 2.5.4.35 40 M
labeledURI 1.3.6.1.4.1.250.1.57 15 M
createTimeStamp 2.5.18.1 24 SO
modifyTimeStamp 2.5.18.2 24 SO
creatorsName 2.5.18.3 12 SO
modifiersName 2.5.18.4 12 SO
entryDN 1.3.6.1.1.20 12 SO
attributeMetaData VMWare.DIR.attribute.attributeMetaData 15 MO
highestCommittedUSN VMWare.DIR.attribute.highestCommittedUSN 27 SO
lastKnownParent 1.2.840.113556.1.4.781 12 S
dc 0.9.2342.19200300.100.1.25 26 S
ou 2.5.4.11 15 M
o 2.5.4.10 15 M
sn 2.5.4.4 15 S
givenName 2.5.4.42 15 S
mail 0.9.2342.19200300.100.1.3 15 S
member 2.5.4.31 12 M
userCertificate 2.5.4.36 40 M
cACertificate 2.5.4.37 40 M
authorityRevocationList 2.5.4.38 40 M
certificateRevocationList 2.5.4.39 40 S
crossCertificatePair 2.5.4.40 40 M
cACertificateDN 1.2.840.113556.1.4.697 15 S
userPrincipalName 1.2.840.113556.1.4.656 15 S
sAMAccountName 1.2.840.113556.1.4.221 15 S
userAccountControl 1.2.840.113556.1.4.8 27 S
pwdLastSet 1.2.840.113556.1.4.96 27 S
groupType 1.2.840.113556.1.4.750 27 S
dNSHostName 1.2.840.113556.1.4.619 15 S
siteGUID 1.2.840.113556.1.4.362 40 S
displayName 1.2.840.113556.1.2.13 15 S
invocationId 1.2.840.113556.1.2.115 40 S
replInterval 1.2.840.113556.1.4.1336 27 S
objectSid 1.2.840.113556.1.4.146 40 SO
nTSecurityDescriptor 1.2.840.113556.1.2.281 40 S
lastLocalUsnProcessed VMWare.DIR.attribute.13 27 SO
upToDateVector VMWare.DIR.attribute.14 44 S
replPageSize VMWare.DIR.attribute.15 27 S
serverId VMWare.DIR.attribute.27 27 S
vmwDomainFunctionalLevel VMWare.DIR.attribute.30 27 S
vmwServerRunTimeStatus VMWare.DIR.attribute.33 15 M
vmwMaxServerId VMWare.DIR.attribute.48 27 S
vmwLDUGuid VMWare.DIR.attribute.50 44 S
vmwPasswordNeverExpires VMWare.DIR.attribute.51 7 S
vmwMachineGUID VMWare.DIR.attribute.56 44 S
vmwPlatformServicesControllerVersion VMWare.DIR.attribute.57 15 S
vmwMaximumDomainFunctionalLevel VMWare.DIR.attribute.60 27 S
uSNCreated VMWare.DIR.attribute.1.1 27 SO
uSNChanged VMWare.DIR.attribute.1.2 27 SO
objectGUID VMWare.DIR.attribute.1.4 15 SO
vmwSTSGuidIdentity VMWare.STS.attribute.1 15 S
vmwSTSName VMWare.STS.attribute.2 15 S
vmwSTSNameFormat VMWare.STS.attribute.3 15 S
vmwSTSPrivateKey VMWare.STS.attribute.5 40 S
vmwSTSDomainName VMWare.STS.attribute.6 15 S
vmwSTSPassword VMWare.STS.attribute.7 15 S
vmwSTSProviderType VMWare.STS.attribute.8 15 S
vmwSTSServicePrincipalName VMWare.STS.attribute.9 15 S
vmwSTSUserName VMWare.STS.attribute.10 15 S
vmwSTSDigestMethods VMWare.STS.attribute.11 15 M
vmwSTSEntityId VMWare.STS.attribute.12 15 S
vmwSTSNameIDFormat VMWare.STS.attribute.13 15 M
vmwSTSOneTimeUse VMWare.STS.attribute.14 27 S
vmwSTSFingerprint VMWare.STS.attribute.15 15 S
vmwSTSBinding VMWare.STS.attribute.16 15 S
vmwSTSIndex VMWare.STS.attribute.17 27 S
vmwSTSCertificateType VMWare.STS.attribute.18 15 S
vmwSTSMaximumKeySize VMWare.STS.attribute.19 27 S
vmwSTSMinimumKeySize VMWare.STS.attribute.20 27 S
vmwSTSPriority VMWare.STS.attribute.21 27 S
vmwSTSAlias VMWare.STS.attribute.22 15 S
vmwSTSSubjectDN VMWare.STS.attribute.23 15 S
vmwSTSClockTolerance VMWare.STS.attribute.26 27 S
vmwSTSIssuerName VMWare.STS.attribute.27 15 S
vmwSTSDelegationCount VMWare.STS.attribute.28 27 S
vmwSTSRenewCount VMWare.STS.attribute.29 27 S
vmwSTSMaxBearerTokenLifetime VMWare.STS.attribute.30 27 S
vmwSTSMaxHolderOfKeyTokenLifetime VMWare.STS.attribute.31 27 S
vmwSTSEndpoint VMWare.STS.attribute.32 15 S
vmwSTSDefaultTenant VMWare.STS.attribute.33 15 S
vmwSTSDefaultAssertionConsumerService VMWare.STS.attribute.34 15 S
vmwSTSDefaultAttributeConsumerService VMWare.STS.attribute.35 15 S
vmwSTSMapKey VMWare.STS.attribute.36 15 S
vmwSTSMapValue VMWare.STS.attribute.37 15 S
vmwSTSTimeout VMWare.STS.attribute.38 27 S
vmwSTSUserBaseDN VMWare.STS.attribute.39 15 S
vmwSTSGroupBaseDN VMWare.STS.attribute.40 15 S
vmwSTSConnectionStrings VMWare.STS.attribute.41 15 M
vmwSTSPasswordExpirationNotificationDays VMWare.STS.attribute.42 27 M
vmwSTSEnablePasswordExpirationEmailNotification VMWare.STS.attribute.43 27 S
vmwSTSPasswordExpirationEmailSubject VMWare.STS.attribute.44 15 S
vmwSTSPasswordExpirationFromEmail VMWare.STS.attribute.45 15 S
vmwSTSDefaultIdentityProvider VMWare.STS.attribute.46 15 S
vmwSTSRelyingPartyURL VMWare.STS.attribute.47 15 S
vmwSTSDomainType VMWare.STS.attribute.48 15 S
vmwSTSAuthenticationType VMWare.STS.attribute.49 15 S
vmwSTSAuthnRequestsSigned VMWare.STS.attribute.50 27 S
vmwSTSSignatureAlgorithmIdentifier VMWare.STS.attribute.64 15 S
vmwSTSSystemTenant VMWare.STS.attribute.65 15 S
vmwSTSBrandName VMWare.STS.attribute.66 15 S
vmwSTSUpnSuffixes VMWare.STS.attribute.67 15 M
vmwSTSTenantKey VMWare.STS.attribute.68 40 S
vmwSTSServiceUseMachineAccount VMWare.STS.attribute.69 7 S
vmwSTSLogonBanner VMWare.STS.attribute.70 15 S
vmwSTSIdentityStoreFlags VMWare.STS.attribute.71 27 S
vmwSTSAuthnTypes VMWare.STS.attribute.75 27 M
vmwSTSMaxBearerRefreshTokenLifetime VMWare.STS.attribute.85 27 S
vmwSTSMaxHolderOfKeyRefreshTokenLifetime VMWare.STS.attribute.86 27 S
vmwSTSLogonBannerTitle VMWare.STS.attribute.87 15 S
vmwSTSLogonBannerEnableCheckbox VMWare.STS.attribute.88 7 S
vmwSTSEnableIdpSelection VMWare.STS.attribute.89 7 S
vmwSTSCertificateAccountLinkingUseUPN VMWare.STS.attribute.103 7 S
vmwSTSUserHintAttributeName VMWare.STS.attribute.104 15 S
vmwSTSMultiTenant VMWare.STS.attribute.106 7 S
vmwLKUPOwnerId VMWare.LKUP.attribute.1 15 S
vmwLKUPVersion VMWare.LKUP.attribute.2 15 S
vmwLKUPURI VMWare.LKUP.attribute.7 15 S
vmwLKUPLegacyId VMWare.LKUP.attribute.12 15 S
vmwLKUPProduct VMWare.LKUP.attribute.13 15 S
vmwLKUPType VMWare.LKUP.attribute.14 15 S
vmwLKUPDeploymentNodeId VMWare.LKUP.attribute.15 15 S
vmwLKUPFriendlyNameResourceKey VMWare.LKUP.attribute.16 15 S
vmwLKUPFriendlyNameDefault VMWare.LKUP.attribute.17 15 S
vmwLKUPDescriptionResourceKey VMWare.LKUP.attribute.18 15 S
vmwLKUPDescriptionDefault VMWare.LKUP.attribute.19 15 S
vmwLKUPVendorNameResourceKey VMWare.LKUP.attribute.20 15 S
vmwLKUPVendorNameDefault VMWare.LKUP.attribute.21 15 S
vmwLKUPProductInfoResourceKey VMWare.LKUP.attribute.22 15 S
vmwLKUPProductInfoDefault VMWare.LKUP.attribute.23 15 S
vmwLKUPEndpointProtocol VMWare.LKUP.attribute.24 15 S
vmwLKUPEndpointType VMWare.LKUP.attribute.25 15 S
vmwLKUPEndpointSslTrust VMWare.LKUP.attribute.26 15 M
vmwLKUPLegacyIds VMWare.LKUP.attribute.27 15 M
vmwLKUPPropertyName VMWare.LKUP.attribute.28 15 S
vmwLKUPPropertyValue VMWare.LKUP.attribute.29 15 S
vmwCISSiteId VMWare.CIS.attribute.13 15 S
cAEncryptedPrivateKey VMWare.CA.attribute.1 5 S
cAParentId VMWare.CA.attribute.2 15 S
cAStatus VMWare.CA.attribute.3 27 S
cACRLNumber VMWare.CA.attribute.4 44 M
cALastCRLUpdate VMWare.CA.attribute.5 24 S
cANextCRLUpdate VMWare.CA.attribute.6 24 S
cAAuthBlob VMWare.CA.attribute.7 15 S
rootDomainNamingContext VMWare.DIR.attribute.rootDomainNamingContext 12 S
defaultNamingContext VMWare.DIR.attribute.defaultNamingContext 12 S
configurationNamingContext VMWare.DIR.attribute.configurationNamingContext 12 S
schemaNamingContext VMWare.DIR.attribute.schemaNamingContext 12 S
subSchemaSubEntry 2.5.18.10 12 S
namingContexts 1.3.6.1.4.1.1466.101.120.5 12 M
serverName VMWare.DIR.attribute.serverName 12 S
vmwAdministratorDN VMWare.DIR.attribute.vmwAdministratorDN 12 S
vmwDCAccountDN VMWare.DIR.attribute.vmwDCAccountDN 12 S
vmwDCAccountUPN VMWare.DIR.attribute.vmwDCAccountUPN 15 S
deletedObjectsContainer VMWare.DIR.attribute.deletedObjectsContainer 12 S
msDS-SiteName VMWare.DIR.attribute.msDS-SiteName 15 S
supportedSASLMechanisms 1.3.6.1.4.1.1466.101.120.14 15 M
vmwServerVersion VMWare.DIR.attribute.vmwServerVersion 15 S
supportedControl 1.3.6.1.4.1.1466.101.120.13 15 M
supportedLDAPVersion 1.3.6.1.4.1.1466.101.120.15 27 M
attributeTypes 2.5.21.5 3 M
objectClasses 2.5.21.6 37 M
ldapSyntaxes 1.3.6.1.4.1.1466.101.120.16 54 M
dITContentRules 2.5.21.2 16 M
"""

# One class a block: name, OID, kind, superior; then its MUST and MAY. Indented lines go on.
CLASSES = """
dcObject 1.3.6.1.4.1.1466.344 AUXILIARY top
  MUST dc
domain 1.2.840.113556.1.5.66 ABSTRACT top
  MUST dc
domainDNS 1.2.840.113556.1.5.67 STRUCTURAL domain
  MAY vmwMaxServerId vmwDomainFunctionalLevel
container 1.2.840.113556.1.3.23 STRUCTURAL top
  MUST cn
  MAY description
builtinDomain 1.2.840.113556.1.5.4 STRUCTURAL top
  MAY cn
organizationalUnit 2.5.6.5 STRUCTURAL top
  MUST ou
  MAY description
group 1.2.840.113556.1.5.8 STRUCTURAL top
  MUST groupType
  MAY cn member sAMAccountName description objectSid mail
person 2.5.6.6 STRUCTURAL top
  MUST cn
  MAY sn seeAlso userPassword vmwPasswordNeverExpires description
organizationalPerson 2.5.6.7 STRUCTURAL person
  MAY givenName o ou mail
user 1.2.840.113556.1.5.9 STRUCTURAL organizationalPerson
  MAY userCertificate displayName userAccountControl pwdLastSet userPrincipalName
    sAMAccountName labeledURI objectSid
computer 1.2.840.113556.1.3.30 STRUCTURAL user
  MAY siteGUID dNSHostName vmwMachineGUID vmwPlatformServicesControllerVersion
    vmwMaximumDomainFunctionalLevel vmwLDUGuid
msDS-ManagedServiceAccount 1.2.840.113556.1.5.264 STRUCTURAL computer
pkiCA 2.5.6.22 AUXILIARY top
  MAY authorityRevocationList certificateRevocationList cACertificate crossCertificatePair
vmwDirServer VMWare.DIR.objectclass.3 STRUCTURAL top
  MUST cn serverId replInterval replPageSize invocationId
  MAY upToDateVector
vmwReplicationAgreement VMWare.DIR.objectclass.4 STRUCTURAL top
  MUST labeledURI
  MAY lastLocalUsnProcessed
vmwDirServerStatus VMWare.DIR.objectclass.5 STRUCTURAL top
  MUST cn
  MAY vmwServerRunTimeStatus
vmwServicePrincipal VMWare.DIR.objectclass.10 AUXILIARY top
  MUST cn vmwSTSSubjectDN
  MAY vmwSTSMultiTenant
vmwSTSTenant VMWare.STS.objectclass.1 STRUCTURAL top
  MUST vmwSTSGuidIdentity cn
  MAY name vmwSTSEntityId vmwSTSAlias vmwSTSClockTolerance vmwSTSIssuerName
    vmwSTSDelegationCount vmwSTSRenewCount vmwSTSMaxBearerTokenLifetime
    vmwSTSMaxHolderOfKeyTokenLifetime vmwSTSEnablePasswordExpirationEmailNotification
    vmwSTSPasswordExpirationNotificationDays vmwSTSPasswordExpirationFromEmail
    vmwSTSPasswordExpirationEmailSubject vmwSTSDefaultIdentityProvider
    vmwSTSSignatureAlgorithmIdentifier vmwSTSBrandName vmwSTSLogonBannerTitle
    vmwSTSLogonBanner vmwSTSLogonBannerEnableCheckbox vmwSTSEnableIdpSelection vmwSTSTenantKey
    vmwSTSAuthnTypes vmwSTSMaxBearerRefreshTokenLifetime
    vmwSTSMaxHolderOfKeyRefreshTokenLifetime
vmwSTSIdentityStore VMWare.STS.objectclass.2 STRUCTURAL top
  MUST cn vmwSTSDomainName vmwSTSDomainType vmwSTSAuthenticationType vmwSTSProviderType
  MAY vmwSTSName vmwSTSAlias vmwSTSUserName vmwSTSServiceUseMachineAccount
    vmwSTSServicePrincipalName vmwSTSPassword vmwSTSTimeout vmwSTSUserBaseDN vmwSTSGroupBaseDN
    vmwSTSConnectionStrings vmwSTSAuthnTypes userCertificate vmwSTSUpnSuffixes
    vmwSTSUserHintAttributeName vmwSTSCertificateAccountLinkingUseUPN vmwSTSIdentityStoreFlags
vmwSTSRelyingParty VMWare.STS.objectclass.3 STRUCTURAL top
  MUST cn name vmwSTSRelyingPartyURL
  MAY vmwSTSDigestMethods vmwSTSNameIDFormat vmwSTSOneTimeUse
    vmwSTSDefaultAssertionConsumerService vmwSTSDefaultAttributeConsumerService
    vmwSTSAuthnRequestsSigned userCertificate
vmwSTSAssertionConsumerService VMWare.STS.objectclass.4 STRUCTURAL top
  MUST cn
  MAY vmwSTSBinding vmwSTSIndex vmwSTSEndpoint
vmwSTSSignatureAlgorithm VMWare.STS.objectclass.6 STRUCTURAL top
  MUST cn
  MAY vmwSTSMaximumKeySize vmwSTSMinimumKeySize vmwSTSPriority
vmwSTSTenantsContainer VMWare.STS.objectclass.11 STRUCTURAL top
  MUST cn
  MAY vmwSTSDefaultTenant vmwSTSSystemTenant
vmwSTSAttributeMap VMWare.STS.objectclass.12 STRUCTURAL top
  MUST cn vmwSTSMapKey vmwSTSMapValue
vmwSTSAttribute VMWare.STS.objectclass.13 STRUCTURAL top
  MUST cn name vmwSTSName vmwSTSNameFormat
vmwSTSIdentityStoreAlias VMWare.STS.objectclass.15 STRUCTURAL alias
  MUST cn
vmwSTSCertificate VMWare.STS.objectclass.16 STRUCTURAL top
  MUST cn vmwSTSFingerprint vmwSTSCertificateType userCertificate
vmwSTSTenantCredential VMWare.STS.objectclass.17 STRUCTURAL top
  MUST cn vmwSTSPrivateKey userCertificate
vmwSTSTenantTrustedCertificateChain VMWare.STS.objectclass.22 STRUCTURAL top
  MUST cn userCertificate
vmwLKUPServiceRegistration VMWare.LKUP.objectclass.4 STRUCTURAL top
  MUST vmwLKUPVersion vmwLKUPProduct vmwLKUPType vmwLKUPOwnerId
  MAY cn vmwLKUPDeploymentNodeId vmwLKUPFriendlyNameResourceKey vmwLKUPFriendlyNameDefault
    vmwLKUPDescriptionResourceKey vmwLKUPDescriptionDefault vmwLKUPVendorNameResourceKey
    vmwLKUPVendorNameDefault vmwLKUPProductInfoResourceKey vmwLKUPProductInfoDefault
    vmwLKUPLegacyIds
vmwLKUPEndpointRegistration VMWare.LKUP.objectclass.5 STRUCTURAL top
  MUST vmwLKUPEndpointType vmwLKUPEndpointProtocol vmwLKUPURI
  MAY cn vmwLKUPEndpointSslTrust vmwLKUPLegacyId vmwLKUPFriendlyNameDefault
    vmwLKUPDescriptionDefault
vmwLKUPProperty VMWare.LKUP.objectclass.6 STRUCTURAL top
  MUST vmwLKUPPropertyName vmwLKUPPropertyValue
  MAY cn
vmwCISSite VMWare.CIS.objectclass.1 STRUCTURAL top
  MUST cn
  MAY displayName
vmwCISLdu VMWare.CIS.objectclass.2 STRUCTURAL top
  MUST cn vmwCISSiteId
  MAY displayName
vmwCertificationAuthority VMWare.CA.objectclass.1 STRUCTURAL top
  MUST cn
  MAY cACertificateDN cACRLNumber cAParentId cAEncryptedPrivateKey cAStatus cALastCRLUpdate
    cANextCRLUpdate cAAuthBlob
alias 2.5.6.1 STRUCTURAL top
vmwLKUPService VMWare.LKUP.objectclass.1 STRUCTURAL top
  MAY cn
vmwLKUPServiceEndpoint VMWare.LKUP.objectclass.2 STRUCTURAL top
  MAY cn
subschema 2.5.20.1 AUXILIARY top
  MAY attributeTypes objectClasses ldapSyntaxes dITContentRules
deletedObject VMWare.DIR.objectclass.14 STRUCTURAL top
  MAY cn
"""
