package key

import "slices"

// Key usages.
const (
	EncryptDecrypt    = "ENCRYPT_DECRYPT"
	SignVerify        = "SIGN_VERIFY"
	GenerateVerifyMac = "GENERATE_VERIFY_MAC"
	KeyAgreement      = "KEY_AGREEMENT"
	Encapsulation     = "ENCAPSULATE_DECAPSULATE"
)

// Key specs that the vault can make.
const (
	SymmetricDefault = "SYMMETRIC_DEFAULT"
	RSA2048          = "RSA_2048"
	RSA3072          = "RSA_3072"
	RSA4096          = "RSA_4096"
	P256             = "ECC_NIST_P256"
	P384             = "ECC_NIST_P384"
	P521             = "ECC_NIST_P521"
	Ed25519          = "ECC_NIST_EDWARDS25519"
	HMAC224          = "HMAC_224"
	HMAC256          = "HMAC_256"
	HMAC384          = "HMAC_384"
	HMAC512          = "HMAC_512"
	MLKEM768         = "ML_KEM_768"
	MLKEM1024        = "ML_KEM_1024"
)

// Family groups specs that an alias may move between.
type Family uint8

// Families of key specs.
const (
	Symmetric Family = iota
	Asymmetric
	HMAC
)

type specTraits struct {
	family Family
	usages map[string][]string // usage -> algorithms, in AWS's order
}

var (
	rsaUsages = map[string][]string{
		EncryptDecrypt: {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"},
		SignVerify: {
			"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
			"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
		},
	}
	kemUsages = map[string][]string{Encapsulation: {"ML_KEM"}}
	specs     = map[string]specTraits{
		SymmetricDefault: {Symmetric, map[string][]string{EncryptDecrypt: {"SYMMETRIC_DEFAULT"}}},
		RSA2048:          {Asymmetric, rsaUsages},
		RSA3072:          {Asymmetric, rsaUsages},
		RSA4096:          {Asymmetric, rsaUsages},
		P256:             {Asymmetric, map[string][]string{SignVerify: {"ECDSA_SHA_256"}, KeyAgreement: {"ECDH"}}},
		P384:             {Asymmetric, map[string][]string{SignVerify: {"ECDSA_SHA_384"}, KeyAgreement: {"ECDH"}}},
		P521:             {Asymmetric, map[string][]string{SignVerify: {"ECDSA_SHA_512"}, KeyAgreement: {"ECDH"}}},
		Ed25519:          {Asymmetric, map[string][]string{SignVerify: {"ED25519_SHA_512", "ED25519_PH_SHA_512"}}},
		HMAC224:          {HMAC, map[string][]string{GenerateVerifyMac: {"HMAC_SHA_224"}}},
		HMAC256:          {HMAC, map[string][]string{GenerateVerifyMac: {"HMAC_SHA_256"}}},
		HMAC384:          {HMAC, map[string][]string{GenerateVerifyMac: {"HMAC_SHA_384"}}},
		HMAC512:          {HMAC, map[string][]string{GenerateVerifyMac: {"HMAC_SHA_512"}}},
		MLKEM768:         {Asymmetric, kemUsages},
		MLKEM1024:        {Asymmetric, kemUsages},
	}
)

// Known reports whether the vault can make keys of the spec.
func Known(spec string) bool { _, ok := specs[spec]; return ok }

// Pairs reports whether the spec is one of data key pairs that the vault can make:
// RSA, the NIST curves and Ed25519.
func Pairs(spec string) bool {
	return FamilyOf(spec) == Asymmetric && Fits(spec, SignVerify)
}

// FamilyOf tells symmetric, asymmetric and HMAC specs apart.
func FamilyOf(spec string) Family { return specs[spec].family }

// Fits reports whether a key of the spec may have the usage.
func Fits(spec, usage string) bool { _, ok := specs[spec].usages[usage]; return ok }

// Family is that of the key's spec.
func (k *Key) Family() Family { return FamilyOf(k.Spec) }

// Algorithms lists what the key can be asked to do in its usage; not to be
// changed.
func (k *Key) Algorithms() []string { return specs[k.Spec].usages[k.Usage] }

// Can reports whether the key's usage knows the algorithm.
func (k *Key) Can(algorithm string) bool { return slices.Contains(k.Algorithms(), algorithm) }
