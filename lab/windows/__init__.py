"""vCenter Server on Windows: a node whose guest has cmd.exe, and none of an appliance's ways in."""
