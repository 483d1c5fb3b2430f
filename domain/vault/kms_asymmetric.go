package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // RSAES_OAEP_SHA_1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() {
	define("kms", "Sign", use, kmsSign)
	define("kms", "Verify", use, kmsVerify)
	define("kms", "GetPublicKey", use, kmsGetPublicKey)
}

var oaepHashes = map[string]crypto.Hash{"RSAES_OAEP_SHA_1": crypto.SHA1, "RSAES_OAEP_SHA_256": crypto.SHA256}

func (c *call) encryptOAEP(k *key.Key, algorithm string, plaintext []byte) ([]byte, error) {
	public, err := publicKey(k)
	if err != nil {
		return nil, err
	}
	rsaKey, hash := public.(*rsa.PublicKey), oaepHashes[algorithm]
	if longest := rsaKey.Size() - 2*hash.Size() - 2; len(plaintext) > longest {
		return nil, fault.New(fault.ValidationException, "Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", algorithm, k.Spec, longest)
	}
	blob, err := rsa.EncryptOAEP(hash.New(), c.env.Entropy, rsaKey, plaintext, nil)
	if err != nil {
		return nil, kmsInternal(err)
	}
	return blob, nil
}

func (c *call) decryptOAEP(k *key.Key, algorithm string, blob []byte) (plaintext []byte, err error) {
	err = c.withPrivate(k, func(private any) error {
		hash := oaepHashes[algorithm]
		if plaintext, err = rsa.DecryptOAEP(hash.New(), nil, private.(*rsa.PrivateKey), blob, nil); err != nil {
			return invalidCiphertext(err)
		}
		return nil
	})
	return plaintext, err
}

// SignInput is the request of kms:Sign.
type SignInput struct {
	KeyID            string   `json:"KeyId" aws:"required,min=1,max=2048"`
	Message          []byte   `json:"Message" aws:"required,min=1,max=4096" audit:"-"`
	MessageType      string   `json:"MessageType" aws:"enum=RAW|DIGEST|EXTERNAL_MU"`
	GrantTokens      []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	SigningAlgorithm string   `json:"SigningAlgorithm" aws:"required,enum=RSASSA_PSS_SHA_256|RSASSA_PSS_SHA_384|RSASSA_PSS_SHA_512|RSASSA_PKCS1_V1_5_SHA_256|RSASSA_PKCS1_V1_5_SHA_384|RSASSA_PKCS1_V1_5_SHA_512|ECDSA_SHA_256|ECDSA_SHA_384|ECDSA_SHA_512|SM2DSA|ML_DSA_SHAKE_256|ED25519_SHA_512|ED25519_PH_SHA_512"`
	DryRun           bool     `json:"DryRun"`
}

// SignOutput is the reply of kms:Sign. ECDSA signatures are DER.
type SignOutput struct {
	KeyID            string `json:"KeyId"`
	Signature        []byte
	SigningAlgorithm string
}

func kmsSign(c *call, in *SignInput) (*SignOutput, error) {
	k, scheme, err := c.openSigner(in, "kms:Sign")
	if err != nil {
		return nil, err
	}
	digest, err := scheme.digest(in.Message, in.MessageType)
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	out := &SignOutput{KeyID: k.ARN, SigningAlgorithm: in.SigningAlgorithm}
	err = c.withPrivate(k, func(private any) error {
		// Without entropy ECDSA is deterministic (RFC 6979). PSS alone needs a salt.
		entropy := c.env.Entropy
		if _, ok := private.(*ecdsa.PrivateKey); ok {
			entropy = nil
		}
		var err error
		if out.Signature, err = private.(crypto.Signer).Sign(entropy, digest, scheme.opts); err != nil {
			return kmsInternal(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// openSigner finds the key of a Sign or Verify and how its algorithm signs.
func (c *call) openSigner(in *SignInput, action string) (*key.Key, signatureScheme, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, signatureScheme{}, err
	}
	messageType := in.MessageType
	if messageType == "" {
		messageType = "RAW"
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, action, when("kms:signingalgorithm", in.SigningAlgorithm), when("kms:messagetype", messageType))
	if err != nil {
		return nil, signatureScheme{}, err
	}
	if err := algorithmFits(k.Key, key.SignVerify, action[len("kms:"):], in.SigningAlgorithm); err != nil {
		return nil, signatureScheme{}, err
	}
	return k.Key, schemeOf(in.SigningAlgorithm), nil
}

// signatureScheme is how one algorithm hashes and pads.
type signatureScheme struct {
	algorithm string
	hash      crypto.Hash // 0 for pure Ed25519, which signs the message itself
	opts      crypto.SignerOpts
	only      string // the one MessageType it takes, "" = both
}

func schemeOf(algorithm string) signatureScheme {
	switch algorithm {
	case "ED25519_SHA_512":
		return signatureScheme{algorithm: algorithm, opts: crypto.Hash(0), only: "RAW"}
	case "ED25519_PH_SHA_512":
		return signatureScheme{algorithm: algorithm, hash: crypto.SHA512, opts: &ed25519.Options{Hash: crypto.SHA512}, only: "DIGEST"}
	}
	s := signatureScheme{algorithm: algorithm, hash: crypto.SHA256}
	switch {
	case strings.HasSuffix(algorithm, "_384"):
		s.hash = crypto.SHA384
	case strings.HasSuffix(algorithm, "_512"):
		s.hash = crypto.SHA512
	}
	s.opts = s.hash
	if strings.HasPrefix(algorithm, "RSASSA_PSS") {
		s.opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s
}

func (s signatureScheme) digest(message []byte, messageType string) ([]byte, error) {
	if messageType == "" {
		messageType = "RAW"
	}
	switch {
	case messageType == "EXTERNAL_MU", s.only != "" && messageType != s.only:
		return nil, fault.New(fault.ValidationException, "MessageType %s is not valid for %s.", messageType, s.algorithm)
	case s.hash == 0:
		return message, nil
	case messageType == "RAW":
		h := s.hash.New()
		h.Write(message)
		return h.Sum(nil), nil
	case len(message) != s.hash.Size():
		return nil, fault.New(fault.ValidationException, "Digest is invalid length for algorithm %s.", s.algorithm)
	}
	return message, nil
}

// VerifyInput is the request of kms:Verify.
type VerifyInput struct {
	KeyID            string   `json:"KeyId" aws:"required,min=1,max=2048"`
	Message          []byte   `json:"Message" aws:"required,min=1,max=4096" audit:"-"`
	MessageType      string   `json:"MessageType" aws:"enum=RAW|DIGEST|EXTERNAL_MU"`
	Signature        []byte   `json:"Signature" aws:"required,min=1,max=6144" audit:"-"`
	SigningAlgorithm string   `json:"SigningAlgorithm" aws:"required,enum=RSASSA_PSS_SHA_256|RSASSA_PSS_SHA_384|RSASSA_PSS_SHA_512|RSASSA_PKCS1_V1_5_SHA_256|RSASSA_PKCS1_V1_5_SHA_384|RSASSA_PKCS1_V1_5_SHA_512|ECDSA_SHA_256|ECDSA_SHA_384|ECDSA_SHA_512|SM2DSA|ML_DSA_SHAKE_256|ED25519_SHA_512|ED25519_PH_SHA_512"`
	GrantTokens      []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
	DryRun           bool     `json:"DryRun"`
}

// VerifyOutput is the reply of kms:Verify: SignatureValid is always true, as a bad
// signature is a KMSInvalidSignatureException.
type VerifyOutput struct {
	KeyID            string `json:"KeyId"`
	SignatureValid   bool
	SigningAlgorithm string
}

func kmsVerify(c *call, in *VerifyInput) (*VerifyOutput, error) {
	k, scheme, err := c.openSigner(&SignInput{
		KeyID: in.KeyID, MessageType: in.MessageType, GrantTokens: in.GrantTokens, SigningAlgorithm: in.SigningAlgorithm,
	}, "kms:Verify")
	if err != nil {
		return nil, err
	}
	digest, err := scheme.digest(in.Message, in.MessageType)
	if err != nil {
		return nil, err
	}
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	public, err := publicKey(k)
	if err != nil {
		return nil, err
	}
	if err := scheme.verify(public, digest, in.Signature); err != nil {
		return nil, fault.New(fault.KMSInvalidSignatureException, "").Because(err)
	}
	return &VerifyOutput{KeyID: k.ARN, SignatureValid: true, SigningAlgorithm: in.SigningAlgorithm}, nil
}

func (s signatureScheme) verify(public any, digest, signature []byte) error {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if pss, ok := s.opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(public, s.hash, digest, signature, pss)
		}
		return rsa.VerifyPKCS1v15(public, s.hash, digest, signature)
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(public, digest, signature) {
			return nil
		}
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(public, digest, signature, &ed25519.Options{Hash: s.hash})
	}
	return fmt.Errorf("signature does not verify")
}

// GetPublicKeyInput is the request of kms:GetPublicKey.
type GetPublicKeyInput struct {
	KeyID       string   `json:"KeyId" aws:"required,min=1,max=2048"`
	GrantTokens []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
}

// GetPublicKeyOutput is the reply of kms:GetPublicKey. PublicKey is DER
// SubjectPublicKeyInfo.
type GetPublicKeyOutput struct {
	KeyID                 string `json:"KeyId"`
	PublicKey             []byte
	CustomerMasterKeySpec string
	KeySpec               string
	KeyUsage              string
	EncryptionAlgorithms  []string `json:",omitempty"`
	SigningAlgorithms     []string `json:",omitempty"`
	AgreementAlgorithms   []string `json:"KeyAgreementAlgorithms,omitempty"`
	KEMAlgorithms         []string `json:"EncapsulationAlgorithms,omitempty"`
}

func kmsGetPublicKey(c *call, in *GetPublicKeyInput) (*GetPublicKeyOutput, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, "kms:GetPublicKey")
	if err != nil {
		return nil, err
	}
	if k.Family() != key.Asymmetric {
		return nil, fault.New(fault.UnsupportedOperationException, "%s key spec is %s which has no public key.", k.ARN, k.Spec)
	}
	out := &GetPublicKeyOutput{KeyID: k.ARN, PublicKey: k.PublicKey, CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec, KeyUsage: k.Usage}
	switch k.Usage {
	case key.EncryptDecrypt:
		out.EncryptionAlgorithms = k.Algorithms()
	case key.SignVerify:
		out.SigningAlgorithms = k.Algorithms()
	case key.KeyAgreement:
		out.AgreementAlgorithms = k.Algorithms()
	case key.Encapsulation:
		out.KEMAlgorithms = k.Algorithms()
	}
	return out, nil
}
