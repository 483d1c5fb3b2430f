package vault

// Below is below, for the external tests.
var Below = below

// Words is words, for the external tests.
var Words = words
