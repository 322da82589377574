"""The SSO domain's directory (vmdir): its names, LDAPS sessions, and what the STS entries mean."""
