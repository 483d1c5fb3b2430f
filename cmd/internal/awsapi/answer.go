package awsapi

import (
	"net/http"
	"strconv"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
)

// answer writes what a client gets, in the protocol it asked in.
type answer struct {
	route
	w       http.ResponseWriter
	id      string
	receipt vault.Receipt
}

// headerReceipt is the same as on NATS: "n=<n> seq=<seq>", absent when nothing
// was recorded.
const headerReceipt = "Keytrail-Receipt"

// succeed answers with the JSON reply of an operation.
func (a *answer) succeed(reply []byte) {
	if !a.query {
		a.write(http.StatusOK, a.content, reply)
		return
	}
	if a.asJSON {
		j := a.resultJSON(reply)
		defer clear(j)
		a.write(http.StatusOK, plainJSON, j)
		return
	}
	x, err := appendResult(make([]byte, 0, 1024+2*len(reply)), a.service, a.operation, a.id, reply)
	defer func() { clear(x[:cap(x)]) }()
	if err != nil {
		a.refuse(fault.Of(err))
		return
	}
	a.write(http.StatusOK, "text/xml", x)
}

// refuse answers with a fault.
func (a *answer) refuse(f *fault.Fault) {
	if a.query {
		f = inQuery(f)
		if a.asJSON {
			a.write(f.Status(), plainJSON, a.queryErrorJSON(f))
		} else {
			a.write(f.Status(), "text/xml", a.errorXML(f))
		}
		return
	}
	f = inJSON(f)
	a.w.Header()["X-Amzn-Errortype"] = []string{string(f.Code)}
	content := a.content
	if content == "" {
		content = jsonContent
	}
	a.write(f.Status(), content, errorJSON(a.service, f))
}

func (a *answer) write(status int, content string, body []byte) {
	h := a.w.Header()
	h["Content-Type"] = []string{content}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Amzn-Requestid"] = []string{a.id}
	h["Cache-Control"] = []string{"no-cache, no-store, must-revalidate, private"}
	if a.receipt.Seq > 0 {
		b := append(make([]byte, 0, 32), "n="...)
		b = strconv.AppendUint(b, a.receipt.N, 10)
		b = append(b, " seq="...)
		h[headerReceipt] = []string{string(strconv.AppendUint(b, a.receipt.Seq, 10))}
	}
	a.w.WriteHeader(status)
	_, _ = a.w.Write(body) // whoever has gone hears nothing
}

// errorJSON is a refusal in AWS JSON. The models of Secrets Manager and
// CloudTrail spell the message's member with a capital letter; what refuses a
// request before it reaches the service does not.
func errorJSON(service string, f *fault.Fault) []byte {
	b := append(make([]byte, 0, len(f.Code)+len(f.Message)+40), `{"__type":"`...)
	b = append(append(b, f.Code...), '"')
	if f.Message != "" {
		if service == "kms" || service == "" || beforeService[f.Code] {
			b = append(b, `,"message":`...)
		} else {
			b = append(b, `,"Message":`...)
		}
		b = event.AppendString(b, f.Message)
	}
	return append(b, '}')
}

func (a *answer) errorXML(f *fault.Fault) []byte {
	b := append(make([]byte, 0, len(f.Message)+320), "<ErrorResponse"...)
	if v := versions[a.service]; v != "" {
		b = append(b, ` xmlns="https://`+a.service+`.amazonaws.com/doc/`+v+`/"`...)
	}
	b = append(b, "><Error><Type>"+side(f)+"</Type><Code>"...)
	b = append(append(b, f.Code...), "</Code><Message>"...)
	b = appendText(b, []byte(f.Message))
	return append(b, "</Message></Error><RequestId>"+a.id+"</RequestId></ErrorResponse>"...)
}

// resultJSON is the answer of AWS Query in JSON: the elements of the XML as objects,
// times as numbers.
func (a *answer) resultJSON(reply []byte) []byte {
	b := append(make([]byte, 0, len(reply)+320), `{"`+a.operation+`Response":{"`+a.operation+`Result":`...)
	return append(append(b, reply...), `,"ResponseMetadata":{"RequestId":"`+a.id+`"}}}`...)
}

func (a *answer) queryErrorJSON(f *fault.Fault) []byte {
	b := append(make([]byte, 0, len(f.Message)+160), `{"Error":{"Code":"`+string(f.Code)+`","Message":`...)
	b = event.AppendString(b, f.Message)
	return append(b, `,"Type":"`+side(f)+`"},"RequestId":"`+a.id+`"}`...)
}

// side is whose fault it is, in AWS's words.
func side(f *fault.Fault) string {
	if f.Status() >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// queryCodes are the codes that the Query services have another word for.
var queryCodes = map[fault.Code]fault.Code{
	fault.UnrecognizedClientException: fault.InvalidClientTokenID,
	fault.ExpiredTokenException:       fault.ExpiredToken,
	fault.InvalidSignatureException:   fault.SignatureDoesNotMatch,
	fault.ThrottlingException:         fault.Throttling,
	fault.AccessDeniedException:       fault.AccessDenied,
	fault.ValidationException:         fault.ValidationError,
	fault.UnknownOperationException:   fault.InvalidAction,
}

// jsonCodes are the codes that the JSON services have another word for.
var jsonCodes = map[fault.Code]fault.Code{
	fault.MissingAuthenticationToken: fault.MissingAuthenticationTokenException,
	fault.IncompleteSignature:        fault.IncompleteSignatureException,
}

// beforeService are the refusals that come from in front of every service.
var beforeService = map[fault.Code]bool{
	fault.MissingAuthenticationTokenException: true, fault.IncompleteSignatureException: true,
	fault.UnrecognizedClientException: true, fault.InvalidSignatureException: true, fault.ExpiredTokenException: true,
}

// inJSON is a fault in the words of the JSON services.
func inJSON(f *fault.Fault) *fault.Fault {
	if code := jsonCodes[f.Code]; code != "" {
		return fault.New(code, "%s", f.Message)
	}
	return f
}

// inQuery is a fault in the words of the Query services.
func inQuery(f *fault.Fault) *fault.Fault {
	message := f.Message
	if f.Code == fault.MissingAuthenticationToken {
		message = "Request is missing Authentication Token"
	}
	if code := queryCodes[f.Code]; code != "" {
		return fault.New(code, "%s", message)
	}
	return fault.New(f.Code, "%s", message)
}
