# Each recipe is `python3 dev.py NAME`, which says what it does and installs what it needs.

# Show the recipes.
help:
    @python3 dev.py help

# Serve on this machine, with demo data.
demo *args:
    @python3 dev.py demo {{args}}

# Serve on this machine.
serve *args:
    @python3 dev.py serve {{args}}

# Run the tests; arguments go to pytest.
test *args:
    @python3 dev.py test {{args}}

# Ask a real server of two processes what the tests of HTTP ask.
workers *args:
    @python3 dev.py workers {{args}}

# Check format and code.
lint:
    @python3 dev.py lint

# Check types.
types *args:
    @python3 dev.py types {{args}}

# Check who may import whom.
layers:
    @python3 dev.py layers

# Do all that CI does.
check:
    @python3 dev.py check

# Rewrite the format, and what lint can mend.
fix:
    @python3 dev.py fix

# Write schema.graphql from the code.
schema *args:
    @python3 dev.py schema {{args}}

# Run the tests and show what they miss.
coverage *args:
    @python3 dev.py coverage {{args}}

# Measure; nothing is judged.
bench *args:
    @python3 dev.py bench {{args}}

# Kill a node and a database under load.
cluster *args:
    @python3 dev.py cluster {{args}}

# Hurt it in every way, and see what it keeps.
chaos *args:
    @python3 dev.py chaos {{args}}

# Let schemathesis judge the HTTP API of a server that runs here; needs uv.
judge *args:
    @python3 dev.py judge {{args}}

# Install all of it, and the hook that checks each commit.
setup:
    @python3 dev.py setup

# Look for known weaknesses of what is locked; needs uv and a network.
audit:
    @python3 dev.py audit

# Pin anew what pyproject.toml asks for; needs uv.
lock:
    @python3 dev.py lock
