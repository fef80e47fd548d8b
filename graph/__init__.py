"""One turn of a conversation: a LangGraph state machine that knows nothing of HTTP, storage or vendors."""
