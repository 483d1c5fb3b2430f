package vault

// DueKeys is dueKeys for the tests of package vault_test.
var DueKeys = dueKeys

// ParseGrantToken is parseGrantToken for the tests of package vault_test.
var ParseGrantToken = parseGrantToken

// UnwrapPadded is unwrapPadded for the tests of package vault_test.
var UnwrapPadded = unwrapPadded
