"""The ways in: tokens and logins as people and services use them, and what they prove."""
