// A station of one outlet around the npm library ocpp-ws-io. Ours: what the box does. Theirs: the
// WebSocket, the framing, and the JSON schemas that every message is held against, both ways.
// Arguments: library folder, OCPP version, URL, station id, password. Lines on the standard input
// are what a person does: plug, swipe CARD, unplug.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, version, endpoint, identity, password] = process.argv.slice(2);
const entry = createRequire(`${folder}/`).resolve("ocpp-ws-io");
const { OCPPClient, SecurityProfile } = (await import(pathToFileURL(entry))).default ??
  (await import(pathToFileURL(entry)));

const PHASES = 3;
const NOMINAL_V = 230;
const CAR_A = 32;
const MIN_A = 6;
const protocol = `ocpp${version}`;
const is16 = version === "1.6";
const sampleKey = is16 ? "MeterValueSampleInterval" : "TxUpdatedInterval";

let sampleEvery_s = 30;
let sampler = null;
let plugged = false;
let transaction = null; // { id, card, seqNo, startedWh }
let energyWh = 12345;
let countedAt = Date.now();
const profiles = new Map();

const client = new OCPPClient({
  endpoint,
  identity,
  password,
  protocols: [protocol],
  securityProfile: SecurityProfile.BASIC_AUTH,
  strictMode: true,
  logging: false,
});
const call = (action, body) => client.call(protocol, action, body);
const now = () => new Date().toISOString();

function limitOf(purposes) {
  let best = null;
  for (const profile of profiles.values()) {
    if (!purposes.includes(profile.chargingProfilePurpose)) continue;
    if (profile.validTo && Date.parse(profile.validTo) <= Date.now()) continue;
    const said = profile.chargingSchedule;
    const schedule = Array.isArray(said) ? said[0] : said;
    const begun = schedule.startSchedule ? Date.parse(schedule.startSchedule) : Date.now();
    const elapsed_s = (Date.now() - begun) / 1000;
    if (elapsed_s < 0 || (schedule.duration && elapsed_s >= schedule.duration)) continue;
    if (best === null || profile.stackLevel > best.stackLevel) {
      const period = schedule.chargingSchedulePeriod.filter((p) => p.startPeriod <= elapsed_s).at(-1);
      const volts = NOMINAL_V * (period.numberPhases ?? PHASES);
      const a = schedule.chargingRateUnit === "W" ? period.limit / volts : period.limit;
      best = { stackLevel: profile.stackLevel, a };
    }
  }
  return best === null ? null : best.a;
}

function allowed_a() {
  const station = limitOf(["ChargePointMaxProfile", "ChargingStationMaxProfile"]);
  const outlet = limitOf(["TxProfile"]) ?? limitOf(["TxDefaultProfile"]);
  return Math.min(station ?? CAR_A, outlet ?? CAR_A, CAR_A);
}

function current_a() {
  const a = transaction === null || !plugged ? 0 : allowed_a();
  return a < MIN_A ? 0 : a;
}

function count() {
  energyWh += (current_a() * NOMINAL_V * PHASES * (Date.now() - countedAt)) / 3_600_000;
  countedAt = Date.now();
}

function meterValue(context) {
  const number = (value) => (is16 ? value.toFixed(1) : Number(value.toFixed(1)));
  const unit = (name) => (is16 ? { unit: name } : { unitOfMeasure: { unit: name } });
  const phases = [1, 2, 3].map((phase) => ({
    value: number(current_a()),
    measurand: "Current.Import",
    phase: `L${phase}`,
    context,
    ...unit("A"),
  }));
  const sampledValue = [
    { value: number(energyWh), context, ...unit("Wh") },
    {
      value: number(current_a() * NOMINAL_V * PHASES),
      measurand: "Power.Active.Import",
      context,
      ...unit("W"),
    },
    ...phases,
  ];
  return [{ timestamp: now(), sampledValue }];
}

const status = (word16, word2) =>
  is16
    ? call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: word16 })
    : call("StatusNotification", {
        timestamp: now(),
        connectorStatus: word2,
        evseId: 1,
        connectorId: 1,
      });

const token = (card) => ({ idToken: card, type: "ISO14443" });

function event(eventType, triggerReason, more = {}, info = {}) {
  const body = {
    eventType,
    timestamp: now(),
    triggerReason,
    seqNo: transaction.seqNo,
    transactionInfo: { transactionId: transaction.id, ...info },
    evse: { id: 1, connectorId: 1 },
    ...more,
  };
  transaction.seqNo += 1;
  return call("TransactionEvent", body);
}

async function sample(context = "Sample.Periodic") {
  if (transaction === null) return;
  count();
  if (is16) {
    const body = { connectorId: 1, transactionId: transaction.id, meterValue: meterValue(context) };
    await call("MeterValues", body);
  } else {
    await event("Updated", "MeterValuePeriodic", { meterValue: meterValue(context) });
  }
}

function restartSampler() {
  clearInterval(sampler);
  sampler = setInterval(() => sample().catch(report), sampleEvery_s * 1000);
}

async function start(card, remoteStartId) {
  count();
  if (is16) {
    const { idTagInfo, transactionId } = await call("StartTransaction", {
      connectorId: 1,
      idTag: card,
      meterStart: Math.round(energyWh),
      timestamp: now(),
    });
    transaction = { id: transactionId, card };
    if (idTagInfo.status !== "Accepted") return stop("DeAuthorized");
    await status("Charging");
  } else {
    transaction = { id: crypto.randomUUID(), card, seqNo: 0 };
    const trigger = remoteStartId === undefined ? "Authorized" : "RemoteStart";
    const { idTokenInfo } = await event(
      "Started",
      trigger,
      { idToken: token(card), meterValue: meterValue("Transaction.Begin") },
      { chargingState: "Charging", ...(remoteStartId === undefined ? {} : { remoteStartId }) },
    );
    if (idTokenInfo?.status !== "Accepted") return stop("DeAuthorized");
  }
  restartSampler();
}

async function stop(reason) {
  if (transaction === null) return;
  clearInterval(sampler);
  count();
  const ended = transaction;
  if (is16) {
    transaction = null;
    await call("StopTransaction", {
      transactionId: ended.id,
      idTag: ended.card,
      meterStop: Math.round(energyWh),
      timestamp: now(),
      reason,
    });
    await status("Finishing");
  } else {
    const meter = meterValue("Transaction.End");
    const sent = event(
      "Ended",
      reason === "Remote" ? "RemoteStop" : "StopAuthorized",
      { meterValue: meter },
      { stoppedReason: reason, chargingState: "Idle" },
    );
    transaction = null;
    await sent;
  }
  for (const [key, profile] of profiles) {
    if (profile.chargingProfilePurpose === "TxProfile") profiles.delete(key);
  }
}

async function swipe(card) {
  if (transaction !== null) return stop("Local");
  const body = is16 ? { idTag: card } : { idToken: token(card) };
  const answer = await call("Authorize", body);
  if ((answer.idTagInfo ?? answer.idTokenInfo).status === "Accepted") await start(card);
}

const accepted = { status: "Accepted" };
const later = (work) => setTimeout(() => work().catch(report), 200);
const report = (error) => console.error("fault:", error);
const set = (evse, profile) => {
  for (const [key, known] of profiles) {
    const same = known.chargingProfilePurpose === profile.chargingProfilePurpose;
    if (same && known.evse === evse && known.stackLevel === profile.stackLevel) profiles.delete(key);
  }
  profiles.set(profile.chargingProfileId ?? profile.id, { ...profile, evse });
  return accepted;
};

const composite = (evse, duration, field) => ({
  ...accepted,
  [field]: {
    ...(is16 ? { startSchedule: now() } : { evseId: evse, scheduleStart: now() }),
    duration,
    chargingRateUnit: "A",
    chargingSchedulePeriod: [{ startPeriod: 0, limit: allowed_a(), numberPhases: PHASES }],
  },
});

const common = {
  ClearChargingProfile: (params) => {
    const id = is16 ? params.id : params.chargingProfileId;
    return { status: profiles.delete(id) ? "Accepted" : "Unknown" };
  },
  TriggerMessage: (params) => {
    const work = {
      MeterValues: () => sample("Trigger"),
      StatusNotification: () => status(plugged ? "Preparing" : "Available", "Available"),
    }[params.requestedMessage];
    if (work === undefined) return { status: "NotImplemented" };
    later(work);
    return accepted;
  },
  ChangeAvailability: () => accepted,
  ClearCache: () => accepted,
  UnlockConnector: () => ({ status: "Unlocked" }),
};
const of16 = {
  GetConfiguration: () => ({
    configurationKey: [
      { key: sampleKey, readonly: false, value: String(sampleEvery_s) },
      { key: "NumberOfConnectors", readonly: true, value: "1" },
      { key: "ChargeProfileMaxStackLevel", readonly: true, value: "3" },
      { key: "ChargingScheduleAllowedChargingRateUnit", readonly: true, value: "Current,Power" },
    ],
    unknownKey: [],
  }),
  ChangeConfiguration: ({ key, value }) => {
    if (key !== sampleKey) return { status: "NotSupported" };
    sampleEvery_s = Number(value);
    if (transaction !== null) restartSampler();
    return accepted;
  },
  RemoteStartTransaction: ({ idTag }) => {
    if (transaction !== null) return { status: "Rejected" };
    later(() => start(idTag, 0));
    return accepted;
  },
  RemoteStopTransaction: ({ transactionId }) => {
    if (transaction?.id !== transactionId) return { status: "Rejected" };
    later(() => stop("Remote"));
    return accepted;
  },
  SetChargingProfile: ({ connectorId, csChargingProfiles }) => set(connectorId, csChargingProfiles),
  GetCompositeSchedule: ({ duration }) => composite(1, duration, "chargingSchedule"),
};
const of2 = {
  GetVariables: ({ getVariableData }) => ({
    getVariableResult: getVariableData.map((asked) => ({
      component: asked.component,
      variable: asked.variable,
      ...(asked.variable.name === sampleKey
        ? { attributeStatus: "Accepted", attributeValue: String(sampleEvery_s) }
        : { attributeStatus: "UnknownVariable" }),
    })),
  }),
  SetVariables: ({ setVariableData }) => ({
    setVariableResult: setVariableData.map(({ component, variable, attributeValue }) => {
      const known = variable.name === sampleKey;
      if (known) sampleEvery_s = Number(attributeValue);
      if (known && transaction !== null) restartSampler();
      return { component, variable, attributeStatus: known ? "Accepted" : "UnknownVariable" };
    }),
  }),
  RequestStartTransaction: ({ idToken, remoteStartId }) => {
    if (transaction !== null) return { status: "Rejected" };
    later(() => start(idToken.idToken, remoteStartId));
    return accepted;
  },
  RequestStopTransaction: ({ transactionId }) => {
    if (transaction?.id !== transactionId) return { status: "Rejected" };
    later(() => stop("Remote"));
    return accepted;
  },
  GetTransactionStatus: () => ({ messagesInQueue: false }),
  SetChargingProfile: ({ evseId, chargingProfile }) => set(evseId, chargingProfile),
  GetCompositeSchedule: ({ evseId, duration }) => composite(evseId, duration, "schedule"),
};
for (const [action, answer] of Object.entries({ ...common, ...(is16 ? of16 : of2) })) {
  client.handle(protocol, action, ({ params }) => {
    count();
    return answer(params);
  });
}

await client.connect();
const boot = is16
  ? { chargePointVendor: "ocpp-ws-io", chargePointModel: "Driver", firmwareVersion: "2.3.2" }
  : {
      reason: "PowerUp",
      chargingStation: { vendorName: "ocpp-ws-io", model: "Driver", firmwareVersion: "2.3.2" },
    };
const booted = await call("BootNotification", boot);
setInterval(() => call("Heartbeat", {}).catch(report), booted.interval * 1000);
await status("Available", "Available");

const play = {
  plug: async () => {
    plugged = true;
    await status("Preparing", "Occupied");
  },
  swipe,
  unplug: async () => {
    plugged = false;
    await status("Available", "Available");
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [word, argument] = line.trim().split(" ");
  await play[word]?.(argument).catch(report);
}
process.exit(0);
