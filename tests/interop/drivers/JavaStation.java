// A station of one outlet around ChargeTimeEU's Java-OCA-OCPP. Ours: what the box does. Theirs: the
// WebSocket, the framing, the queue, and a class with checks for every message, both ways: all that
// is written here as JSON becomes an object of theirs before it is sent.
// Arguments: OCPP version, URL, station id, password. Lines on the standard input are what a person
// does: plug, swipe CARD, unplug.

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import eu.chargetime.ocpp.ClientEvents;
import eu.chargetime.ocpp.JSONCommunicator;
import eu.chargetime.ocpp.JSONConfiguration;
import eu.chargetime.ocpp.MultiProtocolJSONClient;
import eu.chargetime.ocpp.ProtocolVersion;
import eu.chargetime.ocpp.feature.Feature;
import eu.chargetime.ocpp.feature.FunctionFeature;
import eu.chargetime.ocpp.feature.ProfileFeature;
import eu.chargetime.ocpp.feature.function.Function;
import eu.chargetime.ocpp.feature.profile.Profile;
import eu.chargetime.ocpp.model.Confirmation;
import eu.chargetime.ocpp.model.Request;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

public class JavaStation {
  static final int PHASES = 3;
  static final double NOMINAL_V = 230, CAR_A = 32, MIN_A = 6;
  static final List<String> COMMON =
      List.of(
          "BootNotification", "Heartbeat", "StatusNotification", "Authorize", "MeterValues",
          "SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule", "TriggerMessage",
          "ChangeAvailability", "ClearCache", "UnlockConnector", "Reset");
  static final List<String> OF_16 =
      List.of(
          "StartTransaction", "StopTransaction", "RemoteStartTransaction", "RemoteStopTransaction",
          "GetConfiguration", "ChangeConfiguration");
  static final List<String> OF_2 =
      List.of(
          "TransactionEvent", "RequestStartTransaction", "RequestStopTransaction", "GetVariables",
          "SetVariables", "GetTransactionStatus");

  final boolean is16;
  final String sampleKey;
  final JSONCommunicator json = new JSONCommunicator(null);
  final Map<String, Feature> features = new HashMap<>();
  final Map<Integer, JsonObject> profiles = new LinkedHashMap<>();
  final ScheduledExecutorService work = Executors.newScheduledThreadPool(3);
  final MultiProtocolJSONClient client;

  int sampleEvery_s = 30, seqNo;
  Future<?> sampler;
  boolean plugged;
  String transactionId, card;
  double energyWh = 54321;
  long countedAt = System.currentTimeMillis();

  public static void main(String[] arguments) throws Exception {
    new JavaStation(arguments[0], arguments[2], arguments[3]).run(arguments[1]);
  }

  JavaStation(String version, String identity, String password) throws Exception {
    is16 = version.equals("1.6");
    sampleKey = is16 ? "MeterValueSampleInterval" : "TxUpdatedInterval";
    ProtocolVersion protocol = ProtocolVersion.fromSubProtocolName("ocpp" + version);
    JSONConfiguration configuration =
        JSONConfiguration.get()
            .setParameter(JSONConfiguration.USERNAME_PARAMETER, identity)
            .setParameter(JSONConfiguration.PASSWORD_PARAMETER, password);
    client = new MultiProtocolJSONClient(List.of(protocol), identity, configuration);
    String home = "eu.chargetime.ocpp." + (is16 ? "" : version.equals("2.1") ? "v21." : "v201.");
    Object owner = is16 ? new OwnProfile() : new OwnFunction();
    for (List<String> names : List.of(COMMON, is16 ? OF_16 : OF_2)) {
      for (String name : names) {
        Class<?> type = Class.forName(home + "feature." + name + "Feature");
        Class<?> ownerType = is16 ? Profile.class : Function.class;
        features.put(name, (Feature) type.getConstructor(ownerType).newInstance(owner));
      }
    }
    if (is16) client.addFeatureProfile(protocol, (Profile) owner);
    else client.addFunction(protocol, (Function) owner);
  }

  class OwnProfile implements Profile {
    public ProfileFeature[] getFeatureList() {
      return features.values().toArray(new ProfileFeature[0]);
    }

    public Confirmation handleRequest(UUID session, Request request) {
      return taken(request);
    }
  }

  class OwnFunction implements Function {
    public FunctionFeature[] getFeatureList() {
      return features.values().toArray(new FunctionFeature[0]);
    }

    public Confirmation handleRequest(UUID session, Request request) {
      return taken(request);
    }
  }

  /** Their object of a request in, their object of our answer out. */
  synchronized Confirmation taken(Request request) {
    for (Map.Entry<String, Feature> entry : features.entrySet()) {
      if (entry.getValue().getRequestType() == request.getClass()) {
        count();
        JsonObject answer = answer(entry.getKey(), object(json.packPayload(request).toString()));
        return json.unpackPayload(answer, entry.getValue().getConfirmationType());
      }
    }
    return null;
  }

  /** A call with their class of the request; its answer as JSON. */
  JsonObject call(String action, JsonObject body) throws Exception {
    Request request = json.unpackPayload(body, features.get(action).getRequestType());
    Confirmation answer = client.send(request).toCompletableFuture().get(30, TimeUnit.SECONDS);
    return object(json.packPayload(answer).toString());
  }

  void run(String url) throws Exception {
    CountDownLatch opened = new CountDownLatch(1);
    client.connect(
        url,
        new ClientEvents() {
          public void connectionOpened() {
            opened.countDown();
          }

          public void connectionClosed() {
            System.exit(0);
          }
        });
    if (!opened.await(30, TimeUnit.SECONDS)) throw new IllegalStateException("no connection");
    String name = "'Java-OCA-OCPP'";
    JsonObject boot =
        is16
            ? object("{chargePointVendor: 'ChargeTimeEU', chargePointModel: %s}", name)
            : object(
                "{reason: PowerUp, chargingStation: {vendorName: 'ChargeTimeEU', model: %s}}",
                name);
    int interval_s = call("BootNotification", boot).get("interval").getAsInt();
    every(interval_s, () -> call("Heartbeat", new JsonObject()));
    status("Available", "Available");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.trim().split(" ");
      if (words[0].equals("plug")) {
        plugged = true;
        status("Preparing", "Occupied");
      } else if (words[0].equals("unplug")) {
        plugged = false;
        status("Available", "Available");
      } else if (words[0].equals("swipe")) {
        swipe(words[1]);
      }
    }
    System.exit(0);
  }

  // what the box does

  void swipe(String shown) throws Exception {
    if (transactionId != null) {
      stop("Local");
      return;
    }
    JsonObject said =
        is16 ? object("{idTag: '%s'}", shown) : object("{idToken: %s}", token(shown));
    if (accepted(call("Authorize", said))) start(shown, null);
  }

  void start(String shown, Integer remoteStartId) throws Exception {
    count();
    card = shown;
    JsonObject answer;
    if (is16) {
      String start = "{connectorId: 1, idTag: '%s', meterStart: %d, timestamp: '%s'}";
      answer = call("StartTransaction", object(start, shown, Math.round(energyWh), now()));
      transactionId = answer.get("transactionId").getAsString();
    } else {
      transactionId = UUID.randomUUID().toString();
      seqNo = 0;
      JsonObject info = object("{chargingState: Charging}");
      if (remoteStartId != null) info.addProperty("remoteStartId", remoteStartId);
      JsonObject more = object("{idToken: %s}", token(shown));
      more.add("meterValue", meterValue("Transaction.Begin"));
      answer = event("Started", remoteStartId == null ? "Authorized" : "RemoteStart", more, info);
    }
    if (!accepted(answer)) {
      stop("DeAuthorized");
      return;
    }
    if (is16) status("Charging", null);
    restartSampler();
  }

  void stop(String reason) throws Exception {
    if (transactionId == null) return;
    if (sampler != null) sampler.cancel(false);
    count();
    if (is16) {
      JsonObject body =
          object(
              "{transactionId: %s, idTag: '%s', meterStop: %d, timestamp: '%s', reason: %s}",
              transactionId, card, Math.round(energyWh), now(), reason);
      transactionId = null;
      call("StopTransaction", body);
      status("Finishing", null);
    } else {
      JsonObject more = new JsonObject();
      more.add("meterValue", meterValue("Transaction.End"));
      JsonObject info = object("{stoppedReason: %s, chargingState: Idle}", reason);
      event("Ended", reason.equals("Remote") ? "RemoteStop" : "StopAuthorized", more, info);
      transactionId = null;
    }
    profiles.values().removeIf(p -> purpose(p).equals("TxProfile"));
  }

  void sample(String context) throws Exception {
    if (transactionId == null) return;
    count();
    JsonObject body = is16 ? object("{connectorId: 1, transactionId: %s}", transactionId)
        : new JsonObject();
    body.add("meterValue", meterValue(context));
    if (is16) call("MeterValues", body);
    else event("Updated", "MeterValuePeriodic", body, new JsonObject());
  }

  synchronized JsonObject event(String kind, String trigger, JsonObject body, JsonObject info)
      throws Exception {
    info.addProperty("transactionId", transactionId);
    body.addProperty("eventType", kind);
    body.addProperty("triggerReason", trigger);
    body.addProperty("timestamp", now());
    body.addProperty("seqNo", seqNo++);
    body.add("transactionInfo", info);
    body.add("evse", object("{id: 1, connectorId: 1}"));
    return call("TransactionEvent", body);
  }

  void status(String word16, String word2) throws Exception {
    JsonObject of16 = object("{connectorId: 1, errorCode: NoError, status: %s}", word16);
    String of2 = "{timestamp: '%s', connectorStatus: %s, evseId: 1, connectorId: 1}";
    call("StatusNotification", is16 ? of16 : object(of2, now(), word2));
  }

  // what it is asked

  JsonObject answer(String action, JsonObject said) {
    switch (action) {
      case "SetChargingProfile":
        return take(said);
      case "ClearChargingProfile":
        JsonElement id = said.get(is16 ? "id" : "chargingProfileId");
        boolean known = id != null && profiles.remove(id.getAsInt()) != null;
        return object("{status: %s}", known ? "Accepted" : "Unknown");
      case "GetCompositeSchedule":
        return composite(said);
      case "RemoteStartTransaction":
      case "RequestStartTransaction":
        if (transactionId != null) return object("{status: Rejected}");
        String shown =
            is16
                ? said.get("idTag").getAsString()
                : said.getAsJsonObject("idToken").get("idToken").getAsString();
        soon(() -> start(shown, is16 ? null : said.get("remoteStartId").getAsInt()));
        return object("{status: Accepted}");
      case "RemoteStopTransaction":
      case "RequestStopTransaction":
        boolean running = said.get("transactionId").getAsString().equals(transactionId);
        if (running) soon(() -> stop("Remote"));
        return object("{status: %s}", running ? "Accepted" : "Rejected");
      case "TriggerMessage":
        String wanted = said.get("requestedMessage").getAsString();
        if (wanted.equals("MeterValues")) soon(() -> sample("Trigger"));
        else if (wanted.equals("StatusNotification"))
          soon(() -> status(plugged ? "Preparing" : "Available", plugged ? "Occupied" : "Available"));
        else return object("{status: NotImplemented}");
        return object("{status: Accepted}");
      case "GetConfiguration":
        return object(
            "{configurationKey: [{key: '%s', readonly: false, value: '%d'},"
                + "{key: 'ChargeProfileMaxStackLevel', readonly: true, value: '3'}]}",
            sampleKey, sampleEvery_s);
      case "ChangeConfiguration":
        boolean own = said.get("key").getAsString().equals(sampleKey);
        if (own) setInterval(said.get("value").getAsString());
        return object("{status: %s}", own ? "Accepted" : "NotSupported");
      case "GetVariables":
      case "SetVariables":
        return variables(said, action.startsWith("Set"));
      case "GetTransactionStatus":
        return object("{messagesInQueue: false}");
      case "UnlockConnector":
        return object("{status: Unlocked}");
      default:
        return object("{status: Accepted}");
    }
  }

  JsonObject variables(JsonObject said, boolean set) {
    JsonArray results = new JsonArray();
    for (JsonElement element : said.getAsJsonArray(set ? "setVariableData" : "getVariableData")) {
      JsonObject asked = element.getAsJsonObject();
      boolean own = asked.getAsJsonObject("variable").get("name").getAsString().equals(sampleKey);
      if (own && set) setInterval(asked.get("attributeValue").getAsString());
      JsonObject result = object("{attributeStatus: %s}", own ? "Accepted" : "UnknownVariable");
      if (own && !set) result.addProperty("attributeValue", String.valueOf(sampleEvery_s));
      result.add("component", asked.get("component"));
      result.add("variable", asked.get("variable"));
      results.add(result);
    }
    JsonObject answer = new JsonObject();
    answer.add(set ? "setVariableResult" : "getVariableResult", results);
    return answer;
  }

  JsonObject take(JsonObject said) {
    JsonObject profile = said.getAsJsonObject(is16 ? "csChargingProfiles" : "chargingProfile");
    profile.addProperty("place", said.get(is16 ? "connectorId" : "evseId").getAsInt());
    profiles
        .values()
        .removeIf(
            other ->
                purpose(other).equals(purpose(profile))
                    && other.get("place").equals(profile.get("place"))
                    && other.get("stackLevel").equals(profile.get("stackLevel")));
    profiles.put(profile.get(is16 ? "chargingProfileId" : "id").getAsInt(), profile);
    return object("{status: Accepted}");
  }

  JsonObject composite(JsonObject said) {
    JsonObject schedule =
        object(
            "{duration: %s, chargingRateUnit: A,"
                + "chargingSchedulePeriod: [{startPeriod: 0, limit: %s, numberPhases: 3}]}",
            said.get("duration"), allowed_a());
    schedule.addProperty(is16 ? "startSchedule" : "scheduleStart", now());
    if (!is16) schedule.addProperty("evseId", 1);
    JsonObject answer = object("{status: Accepted}");
    answer.add(is16 ? "chargingSchedule" : "schedule", schedule);
    return answer;
  }

  // current and energy

  double allowed_a() {
    double a = CAR_A;
    Double station = limit(is16 ? "ChargePointMaxProfile" : "ChargingStationMaxProfile");
    Double outlet = limit("TxProfile");
    if (outlet == null) outlet = limit("TxDefaultProfile");
    if (station != null) a = Math.min(a, station);
    if (outlet != null) a = Math.min(a, outlet);
    return a;
  }

  /** What the highest profile of a purpose allows now; null: there is none. */
  Double limit(String purpose) {
    JsonObject best = null;
    Double limit_a = null;
    for (JsonObject profile : profiles.values()) {
      if (!purpose(profile).equals(purpose)) continue;
      if (profile.has("validTo") && Instant.parse(text(profile, "validTo")).isBefore(Instant.now()))
        continue;
      JsonElement said = profile.get("chargingSchedule");
      JsonObject schedule =
          (said.isJsonArray() ? said.getAsJsonArray().get(0) : said).getAsJsonObject();
      long elapsed_s =
          schedule.has("startSchedule")
              ? Instant.parse(text(schedule, "startSchedule")).until(Instant.now(), ChronoUnit.SECONDS)
              : 0;
      boolean over = schedule.has("duration") && elapsed_s >= schedule.get("duration").getAsInt();
      if (elapsed_s < 0 || over) continue;
      if (best != null && best.get("stackLevel").getAsInt() > profile.get("stackLevel").getAsInt())
        continue;
      best = profile;
      for (JsonElement period : schedule.getAsJsonArray("chargingSchedulePeriod")) {
        JsonObject one = period.getAsJsonObject();
        if (one.get("startPeriod").getAsInt() > elapsed_s) continue;
        limit_a = one.get("limit").getAsDouble();
        int phases = one.has("numberPhases") ? one.get("numberPhases").getAsInt() : PHASES;
        if (text(schedule, "chargingRateUnit").equals("W")) limit_a /= NOMINAL_V * phases;
      }
    }
    return limit_a;
  }

  double current_a() {
    double a = transactionId == null || !plugged ? 0 : allowed_a();
    return a < MIN_A ? 0 : a;
  }

  void count() {
    long at = System.currentTimeMillis();
    energyWh += current_a() * NOMINAL_V * PHASES * (at - countedAt) / 3_600_000;
    countedAt = at;
  }

  JsonArray meterValue(String context) {
    JsonArray sampled = new JsonArray();
    sampled.add(sampledValue("Energy.Active.Import.Register", energyWh, "Wh", null, context));
    double power_w = current_a() * NOMINAL_V * PHASES;
    sampled.add(sampledValue("Power.Active.Import", power_w, "W", null, context));
    for (int phase = 1; phase <= PHASES; phase++)
      sampled.add(sampledValue("Current.Import", current_a(), "A", "L" + phase, context));
    JsonObject element = object("{timestamp: '%s'}", now());
    element.add("sampledValue", sampled);
    JsonArray values = new JsonArray();
    values.add(element);
    return values;
  }

  JsonObject sampledValue(String name, double value, String unit, String phase, String context) {
    JsonObject one = object("{measurand: '%s', context: '%s'}", name, context);
    if (phase != null) one.addProperty("phase", phase);
    String rounded = String.format(java.util.Locale.ROOT, "%.1f", value);
    if (is16) one.addProperty("value", rounded);
    else one.addProperty("value", Double.valueOf(rounded));
    if (is16) one.addProperty("unit", unit);
    else one.add("unitOfMeasure", object("{unit: %s}", unit));
    return one;
  }

  // small change

  interface Step {
    void take() throws Exception;
  }

  void setInterval(String value) {
    sampleEvery_s = Integer.parseInt(value);
    if (transactionId != null) restartSampler();
  }

  void restartSampler() {
    if (sampler != null) sampler.cancel(false);
    sampler = every(sampleEvery_s, () -> sample("Sample.Periodic"));
  }

  Future<?> every(int period_s, Step step) {
    return work.scheduleAtFixedRate(() -> tried(step), period_s, period_s, TimeUnit.SECONDS);
  }

  void soon(Step step) {
    work.schedule(() -> tried(step), 200, TimeUnit.MILLISECONDS);
  }

  static void tried(Step step) {
    try {
      step.take();
    } catch (Exception fault) {
      fault.printStackTrace();
    }
  }

  static boolean accepted(JsonObject answer) {
    JsonElement info = answer.get(answer.has("idTagInfo") ? "idTagInfo" : "idTokenInfo");
    return info != null && text(info.getAsJsonObject(), "status").equals("Accepted");
  }

  static String token(String shown) {
    return String.format("{idToken: '%s', type: ISO14443}", shown);
  }

  static String purpose(JsonObject profile) {
    return text(profile, "chargingProfilePurpose");
  }

  static String text(JsonObject object, String name) {
    return object.get(name).getAsString();
  }

  static String now() {
    return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
  }

  static JsonObject object(String text, Object... parts) {
    String written = parts.length == 0 ? text : String.format(text, parts);
    return JsonParser.parseString(written).getAsJsonObject();
  }
}
