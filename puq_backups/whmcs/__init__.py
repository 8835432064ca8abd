"""The WHMCS module interface: calls of module functions, hooks around commands, masking of secrets in the log."""
