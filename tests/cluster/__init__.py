"""Scale-out, shown with real servers on this machine: two nodes, two databases, and one of each killed."""
