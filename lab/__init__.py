"""The embedded lab: an SSO domain on loopback that can say no."""
