"""The WHMCS module interface: dispatch of module functions, command hooks, masked module log."""
