// A station of one outlet around lorenzodonini/ocpp-go. Ours: what the box does. Theirs: the
// WebSocket, the framing, the queue, and a checked type for every message, both ways: all that is
// written here as a map becomes a value of theirs before it is sent.
// Arguments: OCPP version, URL, station id, password. Lines on the standard input are what a person
// does: plug, swipe CARD, unplug.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lorenzodonini/ocpp-go/ocpp"
	core16 "github.com/lorenzodonini/ocpp-go/ocpp1.6/core"
	trigger16 "github.com/lorenzodonini/ocpp-go/ocpp1.6/remotetrigger"
	smart16 "github.com/lorenzodonini/ocpp-go/ocpp1.6/smartcharging"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/authorization"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/availability"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/meter"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/provisioning"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/remotecontrol"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/smartcharging"
	"github.com/lorenzodonini/ocpp-go/ocpp2.0.1/transactions"
	"github.com/lorenzodonini/ocpp-go/ocppj"
	"github.com/lorenzodonini/ocpp-go/ws"
)

type object = map[string]interface{}

const (
	phases   = 3
	nominalV = 230.0
	carA     = 32.0
	minA     = 6.0
)

var profiles16 = []*ocpp.Profile{core16.Profile, trigger16.Profile, smart16.Profile}
var profiles2 = []*ocpp.Profile{authorization.Profile, availability.Profile, meter.Profile,
	provisioning.Profile, remotecontrol.Profile, smartcharging.Profile, transactions.Profile}

type station struct {
	is16      bool
	sampleKey string
	features  []*ocpp.Profile
	client    *ocppj.Client
	answers   chan interface{}
	calling   sync.Mutex
	state     sync.Mutex

	sampleEvery   time.Duration
	restarted     chan bool
	plugged       bool
	transactionID string
	card          string
	seqNo         int
	energyWh      float64
	countedAt     time.Time
	profiles      map[int]object
}

func main() {
	version, url, identity, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	s := &station{is16: version == "1.6", answers: make(chan interface{}, 1),
		sampleEvery: 30 * time.Second, restarted: make(chan bool, 16), energyWh: 777,
		countedAt: time.Now(), profiles: map[int]object{}}
	s.features, s.sampleKey = profiles2, "TxUpdatedInterval"
	if s.is16 {
		s.features, s.sampleKey = profiles16, "MeterValueSampleInterval"
	}
	socket := ws.NewClient()
	socket.SetBasicAuth(identity, password)
	socket.SetRequestedSubProtocol("ocpp" + version)
	dispatcher := ocppj.NewDefaultClientDispatcher(ocppj.NewFIFOClientQueue(0))
	s.client = ocppj.NewClient(identity, socket, dispatcher, nil, s.features...)
	s.client.SetDialect(ocpp.V2)
	if s.is16 {
		s.client.SetDialect(ocpp.V16)
	}
	s.client.SetResponseHandler(func(answer ocpp.Response, id string) { s.answers <- answer })
	s.client.SetErrorHandler(func(fault *ocpp.Error, details interface{}) { s.answers <- fault })
	s.client.SetRequestHandler(s.taken)
	must(s.client.Start(url))

	boot := object{"chargePointVendor": "ocpp-go", "chargePointModel": "Driver"}
	if !s.is16 {
		box := object{"vendorName": "ocpp-go", "model": "Driver"}
		boot = object{"reason": "PowerUp", "chargingStation": box}
	}
	booted := s.call("BootNotification", boot)
	go s.every(func() time.Duration {
		return time.Duration(booted["interval"].(float64)) * time.Second
	}, func() { s.call("Heartbeat", object{}) })
	go s.every(func() time.Duration { return s.sampleEvery }, func() { s.sample("Sample.Periodic") })
	s.status("Available", "Available")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "plug":
			s.plugged = true
			s.status("Preparing", "Occupied")
		case "unplug":
			s.plugged = false
			s.status("Available", "Available")
		case "swipe":
			s.swipe(words[1])
		}
	}
}

// taken hands a request of theirs to answer, and its answer back as a value of theirs.
func (s *station) taken(request ocpp.Request, id string, action string) {
	s.state.Lock()
	s.count()
	said := s.answer(action, asObject(request))
	s.state.Unlock()
	if said == nil {
		must(s.client.SendError(id, ocppj.NotImplemented, "not in this box", nil))
		return
	}
	must(s.client.SendResponse(id, s.typed(action, said, false).(ocpp.Response)))
}

// call sends a request with their type and waits for its answer.
func (s *station) call(action string, body object) object {
	s.calling.Lock()
	defer s.calling.Unlock()
	must(s.client.SendRequest(s.typed(action, body, true).(ocpp.Request)))
	select {
	case answer := <-s.answers:
		if fault, is := answer.(*ocpp.Error); is {
			fmt.Println("fault:", action, fault)
			return object{}
		}
		return asObject(answer)
	case <-time.After(30 * time.Second):
		fmt.Println("fault: no answer to", action)
		return object{}
	}
}

func (s *station) typed(action string, body object, request bool) interface{} {
	for _, profile := range s.features {
		if feature := profile.GetFeature(action); feature != nil {
			kind := feature.GetResponseType()
			if request {
				kind = feature.GetRequestType()
			}
			value := reflect.New(kind).Interface()
			text, err := json.Marshal(body)
			must(err)
			must(json.Unmarshal(text, value))
			return value
		}
	}
	panic("no feature " + action)
}

func (s *station) swipe(card string) {
	if s.transactionID != "" {
		s.stop("Local")
		return
	}
	body := object{"idTag": card}
	if !s.is16 {
		body = object{"idToken": token(card)}
	}
	if accepted(s.call("Authorize", body)) {
		s.start(card, nil)
	}
}

func (s *station) start(card string, remoteStartID interface{}) {
	s.card = card
	var answer object
	if s.is16 {
		answer = s.call("StartTransaction", object{"connectorId": 1, "idTag": card,
			"meterStart": math.Round(s.energyWh), "timestamp": now()})
		s.transactionID = fmt.Sprint(answer["transactionId"])
	} else {
		s.transactionID, s.seqNo = fmt.Sprintf("go-%d", time.Now().UnixNano()), 0
		info, trigger := object{"chargingState": "Charging"}, "Authorized"
		if remoteStartID != nil {
			info["remoteStartId"], trigger = remoteStartID, "RemoteStart"
		}
		more := object{"idToken": token(card), "meterValue": s.meterValue("Transaction.Begin")}
		answer = s.event("Started", trigger, more, info)
	}
	if !accepted(answer) {
		s.stop("DeAuthorized")
		return
	}
	if s.is16 {
		s.status("Charging", "")
	}
	s.restarted <- true
}

func (s *station) stop(reason string) {
	if s.transactionID == "" {
		return
	}
	s.count()
	if s.is16 {
		id, _ := strconv.Atoi(s.transactionID)
		s.transactionID = ""
		s.call("StopTransaction", object{"transactionId": id, "idTag": s.card, "reason": reason,
			"meterStop": math.Round(s.energyWh), "timestamp": now()})
		s.status("Finishing", "")
	} else {
		trigger := "StopAuthorized"
		if reason == "Remote" {
			trigger = "RemoteStop"
		}
		more := object{"meterValue": s.meterValue("Transaction.End")}
		s.event("Ended", trigger, more, object{"stoppedReason": reason})
		s.transactionID = ""
	}
	for id, profile := range s.profiles {
		if profile["chargingProfilePurpose"] == "TxProfile" {
			delete(s.profiles, id)
		}
	}
}

func (s *station) sample(context string) {
	if s.transactionID == "" {
		return
	}
	s.count()
	body := object{"meterValue": s.meterValue(context)}
	if s.is16 {
		id, _ := strconv.Atoi(s.transactionID)
		body["connectorId"], body["transactionId"] = 1, id
		s.call("MeterValues", body)
	} else {
		s.event("Updated", "MeterValuePeriodic", body, object{})
	}
}

func (s *station) event(kind, trigger string, body, info object) object {
	info["transactionId"] = s.transactionID
	body["eventType"], body["triggerReason"], body["timestamp"] = kind, trigger, now()
	body["seqNo"], body["transactionInfo"] = s.seqNo, info
	body["evse"] = object{"id": 1, "connectorId": 1}
	s.seqNo++
	return s.call("TransactionEvent", body)
}

func (s *station) status(word16, word2 string) {
	body := object{"connectorId": 1, "errorCode": "NoError", "status": word16}
	if !s.is16 {
		body = object{"timestamp": now(), "connectorStatus": word2, "evseId": 1, "connectorId": 1}
	}
	s.call("StatusNotification", body)
}

// answer says what the box makes of a request; nil: it has no such thing.
func (s *station) answer(action string, said object) object {
	yes, no := object{"status": "Accepted"}, object{"status": "Rejected"}
	switch action {
	case "SetChargingProfile":
		return s.take(said)
	case "ClearChargingProfile":
		id, named := said["chargingProfileId"].(float64)
		if s.is16 {
			id, named = said["id"].(float64)
		}
		if _, known := s.profiles[int(id)]; named && known {
			delete(s.profiles, int(id))
			return yes
		}
		return object{"status": "Unknown"}
	case "RemoteStartTransaction", "RequestStartTransaction":
		if s.transactionID != "" {
			return no
		}
		if s.is16 {
			s.soon(func() { s.start(said["idTag"].(string), nil) })
		} else {
			card := said["idToken"].(object)["idToken"].(string)
			s.soon(func() { s.start(card, said["remoteStartId"]) })
		}
		return yes
	case "RemoteStopTransaction", "RequestStopTransaction":
		if fmt.Sprint(said["transactionId"]) != s.transactionID {
			return no
		}
		s.soon(func() { s.stop("Remote") })
		return yes
	case "TriggerMessage":
		if said["requestedMessage"] != "MeterValues" {
			return object{"status": "NotImplemented"}
		}
		s.soon(func() { s.sample("Trigger") })
		return yes
	case "GetConfiguration":
		key := object{"key": s.sampleKey, "readonly": false, "value": s.seconds()}
		return object{"configurationKey": []object{key}}
	case "ChangeConfiguration":
		if said["key"] != s.sampleKey {
			return object{"status": "NotSupported"}
		}
		s.setInterval(said["value"])
		return yes
	case "GetVariables":
		return s.variables(said["getVariableData"], "getVariableResult", false)
	case "SetVariables":
		return s.variables(said["setVariableData"], "setVariableResult", true)
	case "GetTransactionStatus":
		return object{"messagesInQueue": false}
	case "UnlockConnector":
		return object{"status": "Unlocked"}
	case "ChangeAvailability", "ClearCache", "Reset":
		return yes
	}
	return nil
}

func (s *station) variables(asked interface{}, field string, set bool) object {
	results := []object{}
	for _, one := range asked.([]interface{}) {
		wanted := one.(object)
		result := object{"component": wanted["component"], "variable": wanted["variable"],
			"attributeStatus": "UnknownVariable"}
		if wanted["variable"].(object)["name"] == s.sampleKey {
			result["attributeStatus"] = "Accepted"
			if set {
				s.setInterval(wanted["attributeValue"])
			} else {
				result["attributeValue"] = s.seconds()
			}
		}
		results = append(results, result)
	}
	return object{field: results}
}

func (s *station) take(said object) object {
	field, idField, place := "chargingProfile", "id", "evseId"
	if s.is16 {
		field, idField, place = "csChargingProfiles", "chargingProfileId", "connectorId"
	}
	profile := said[field].(object)
	profile["place"] = said[place]
	for id, other := range s.profiles {
		if other["chargingProfilePurpose"] == profile["chargingProfilePurpose"] &&
			other["place"] == profile["place"] && other["stackLevel"] == profile["stackLevel"] {
			delete(s.profiles, id)
		}
	}
	s.profiles[int(profile[idField].(float64))] = profile
	return object{"status": "Accepted"}
}

// limit is what the highest profile of a purpose allows now.
func (s *station) limit(purpose string) (limitA float64, any bool) {
	level := -1.0
	for _, profile := range s.profiles {
		over := profile["validTo"] != nil && !instant(profile["validTo"]).After(time.Now())
		if profile["chargingProfilePurpose"] != purpose || over || profile["stackLevel"].(float64) < level {
			continue
		}
		schedule, single := profile["chargingSchedule"].(object)
		if !single {
			schedule = profile["chargingSchedule"].([]interface{})[0].(object)
		}
		elapsed := 0.0
		if schedule["startSchedule"] != nil {
			elapsed = time.Since(instant(schedule["startSchedule"])).Seconds()
		}
		duration, ends := schedule["duration"].(float64)
		if elapsed < 0 || ends && elapsed >= duration {
			continue
		}
		for _, one := range schedule["chargingSchedulePeriod"].([]interface{}) {
			period := one.(object)
			if start, _ := period["startPeriod"].(float64); start <= elapsed {
				limitA, any, level = period["limit"].(float64), true, profile["stackLevel"].(float64)
			}
		}
	}
	return limitA, any
}

func (s *station) currentA() float64 {
	if s.transactionID == "" || !s.plugged {
		return 0
	}
	allowed := carA
	outlet, any := s.limit("TxProfile")
	if !any {
		outlet, any = s.limit("TxDefaultProfile")
	}
	if any {
		allowed = math.Min(allowed, outlet)
	}
	for _, purpose := range []string{"ChargePointMaxProfile", "ChargingStationMaxProfile"} {
		if whole, any := s.limit(purpose); any {
			allowed = math.Min(allowed, whole)
		}
	}
	if allowed < minA {
		return 0
	}
	return allowed
}

func (s *station) count() {
	s.energyWh += s.currentA() * nominalV * phases * time.Since(s.countedAt).Hours()
	s.countedAt = time.Now()
}

func (s *station) meterValue(context string) []object {
	current := s.currentA()
	sampled := []object{
		s.sampledValue("Energy.Active.Import.Register", s.energyWh, "Wh", context),
		s.sampledValue("Power.Active.Import", current*nominalV*phases, "W", context),
	}
	for phase := 1; phase <= phases; phase++ {
		one := s.sampledValue("Current.Import", current, "A", context)
		one["phase"] = fmt.Sprintf("L%d", phase)
		sampled = append(sampled, one)
	}
	return []object{{"timestamp": now(), "sampledValue": sampled}}
}

func (s *station) sampledValue(name string, value float64, unit, context string) object {
	rounded := math.Round(value*10) / 10
	one := object{"measurand": name, "context": context}
	if s.is16 {
		one["value"], one["unit"] = fmt.Sprintf("%.1f", rounded), unit
	} else {
		one["value"], one["unitOfMeasure"] = rounded, object{"unit": unit}
	}
	return one
}

func (s *station) setInterval(value interface{}) {
	seconds, err := strconv.Atoi(value.(string))
	must(err)
	s.sampleEvery = time.Duration(seconds) * time.Second
	s.restarted <- true
}

func (s *station) seconds() string { return strconv.Itoa(int(s.sampleEvery.Seconds())) }

func (s *station) soon(work func()) { time.AfterFunc(200*time.Millisecond, work) }

func (s *station) every(period func() time.Duration, work func()) {
	for {
		select {
		case <-time.After(period()):
			work()
		case <-s.restarted:
		}
	}
}

func accepted(answer object) bool {
	for _, field := range []string{"idTagInfo", "idTokenInfo"} {
		if info, is := answer[field].(object); is {
			return info["status"] == "Accepted"
		}
	}
	return false
}

func token(card string) object { return object{"idToken": card, "type": "ISO14443"} }

func asObject(value interface{}) object {
	text, err := json.Marshal(value)
	must(err)
	result := object{}
	must(json.Unmarshal(text, &result))
	return result
}

func instant(text interface{}) time.Time {
	at, err := time.Parse(time.RFC3339, text.(string))
	must(err)
	return at
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func must(err error) {
	if err != nil {
		fmt.Println("fault:", err)
	}
}
