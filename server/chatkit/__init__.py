"""Says in the protocol of OpenAI's ChatKit element what threads, messages and turns are; only loaded when it is on."""
