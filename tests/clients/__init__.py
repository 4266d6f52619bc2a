"""Check what is shipped for clients with the compilers of clients."""
