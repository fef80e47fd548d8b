// The framework-free client of a Citeside server.

export {};
