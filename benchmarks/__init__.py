"""How fast fastbert is: against plain NumPy, on every instruction set, and against its peers."""
