package shape

import "reflect"

// Compile lets tests plan types that the compiler, or vet, would not let them write.
func Compile(t reflect.Type) error {
	_, err := compile(t)
	return err
}
