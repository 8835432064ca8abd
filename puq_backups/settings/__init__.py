"""Reads the settings of an application and checks their values at start-up."""
