package vault

// Below is below, for the external tests.
var Below = below
