"""Everything around the program, and no resource: settings, plan, engine, local cloud, verification, command line."""
