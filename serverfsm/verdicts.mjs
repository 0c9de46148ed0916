// What may be done to an OpenStack server, and if not, why not. The rules are TABLE's, above;
// here they are only followed. All answers are plain text: show them as text, not as markup.

/**
 * A server's snapshot, made by fromApi, fromRecord or fromStatus.
 * @typedef {object} ServerRecord
 * @property {?string} vm_state the stable state; null where only the status is known
 * @property {?string} task_state the task under way; null for none
 * @property {number} power_state what the hypervisor last said
 * @property {boolean} locked
 * @property {?string} locked_by "owner" or "admin"; null: nobody, or it is not known who
 * @property {boolean} launched whether it ever ran
 * @property {boolean} host whether a compute host holds it
 * @property {boolean} volume_backed whether its root disk is a volume
 * @property {?string} vm_state_before_resize
 * @property {boolean} deleted the record itself is gone
 * @property {?string} only_status the API status, where that is all that is known
 */

/**
 * One guard that fails.
 * @typedef {object} Failure
 * @property {string} guard
 * @property {string} reason
 * @property {number} code
 * @property {string} message Nova's message with {id} for the server's id
 * @property {string} attribute what the guard tests
 * @property {*} have the value that it found
 * @property {Array} want the values that it would accept; empty: none would help
 */

/**
 * The answer to one request.
 * @typedef {object} Verdict
 * @property {boolean} allowed what cannot be decided is not allowed
 * @property {number} code the HTTP status code
 * @property {string} reason "ok", or why it is refused
 * @property {?string} message Nova's message with {id} for the server's id; null if allowed
 * @property {?string} attribute what the deciding guard tests
 * @property {*} have the value that it found
 * @property {Array} want the values that it would accept
 * @property {boolean} maybe refused only because something is not known: see dependsOn
 * @property {string[]} dependsOn what would decide it
 * @property {boolean} retryable a task is under way after which it may be accepted
 * @property {?string} hint what to do instead, in words; null if allowed
 * @property {Failure[]} failures every guard that fails, in Nova's order; the first decides
 */

/** The rulebook whose rules these are: "api-reference" or "nova-34". */
export const rulebook = TABLE.rulebook;
/** The version of serverfsm that wrote this module. */
export const version = TABLE.version;
/** The release of Nova whose words and microversions these are. */
export const release = TABLE.release;
/** The first and the latest microversion that the table covers. */
export const microversions = Object.freeze([...TABLE.microversions]);
export const actors = Object.freeze(Object.keys(TABLE.actors));
export const statuses = Object.freeze([...TABLE.statuses]);
export const vmStates = Object.freeze([...TABLE.vm_states]);
export const taskStates = Object.freeze([...TABLE.task_states]);
/** The names of all actions: the request key, and a variant after a colon. */
export const actions = Object.freeze(TABLE.actions.map((row) => row.name));

/**
 * Say whether a request may be accepted, and if not, why not.
 * @param {?ServerRecord|object|string} server what fromApi, fromRecord or fromStatus gave, or what
 *   they take; null: there is none yet
 * @param {string} action request key and variant; a key that stands for several variants is
 *   decided where all of them agree
 * @param {{actor?: string, microversion?: string}} [options] who asks: "member" unless said
 *   otherwise; and at which microversion: "latest"
 * @returns {Verdict}
 * @throws {Error} a word is not known, or the server contradicts itself
 */
export function check(server, action, options = {}) {
  const snapshot = snapshotOf(server);
  return verdict(snapshot, actionNames(action), asking(options));
}

/**
 * Return the verdict of every action, in the table's order.
 * @param {?ServerRecord|object|string} server as check takes it
 * @param {{actor?: string, microversion?: string}} [options] as check takes them
 * @returns {Object<string, Verdict>}
 * @throws {Error} as check
 */
export function allowed(server, options = {}) {
  const snapshot = snapshotOf(server);
  const who = asking(options);
  return Object.fromEntries(actions.map((name) => [name, verdict(snapshot, [name], who)]));
}

/**
 * Return the server of which only the API status is known.
 * @param {string} status
 * @returns {ServerRecord}
 * @throws {Error} there is no such status
 */
export function fromStatus(status) {
  const known = word("status", status, TABLE.statuses);
  const gone = isGone(known);
  return new Server({ only_status: known, deleted: gone, host: !gone });
}

/**
 * Return the server of a flat record; what is null or left out is as usual.
 * @param {object} record keys as in ServerRecord
 * @returns {ServerRecord}
 * @throws {Error} a key or a word is not known, or a value is of a wrong type
 */
export function fromRecord(record) {
  if (!isObject(record)) throw new Error(`a server must be an object, not ${shown(record)}`);
  for (const key of Object.keys(record)) {
    if (!Object.hasOwn(UNSAID, key)) throw unknown("key of a server", key, Object.keys(UNSAID));
  }
  const said = Object.entries(record).filter(([, value]) => isSaid(value));
  return new Server(Object.fromEntries(said));
}

/**
 * Return the server that GET /servers/{id} described.
 * @param {object} document the decoded JSON, with or without the outer "server" key, of any
 *   microversion and for any role
 * @returns {ServerRecord}
 * @throws {Error} it is not such a document, or contradicts itself
 */
export function fromApi(document) {
  const isWrapped = isObject(document) && isObject(own(document, "server"));
  const inner = isWrapped ? document.server : document;
  if (!isObject(inner)) {
    throw new Error(`a server document must be a JSON object, not ${shown(inner)}`);
  }
  return described(inner);
}

/**
 * Return the API status of a vm_state and a task_state.
 * @param {string} vmState
 * @param {?string} taskState null for no task under way
 * @returns {string}
 * @throws {Error} a word is not known
 */
export function statusOf(vmState, taskState) {
  const vm = word("vm_state", vmState, TABLE.vm_states);
  return projected(vm, isSaid(taskState) ? word("task_state", taskState, TABLE.task_states) : null);
}

// ------------------------------------------------------------------------------ words

function isSaid(value) {
  return value !== null && value !== undefined;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(object, key) {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function word(kind, text, words) {
  if (typeof text === "string" && words.includes(text)) return text;
  throw unknown(kind, text, words);
}

function unknown(kind, value, words) {
  const similar = nearest(value, words);
  const advice = similar === null ? `valid: ${words.join(", ")}` : `did you mean "${similar}"?`;
  return new Error(`unknown ${kind} ${shown(value)}; ${advice}`);
}

/** A value as a message shows it: short, whatever it is. */
function shown(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch {
    // It may be cyclic, or have a hostile toJSON.
  }
  text = typeof text === "string" ? text : `a value of type ${typeof value}`;
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}

/** The word with the fewest letters to change, or null if that were too many. */
function nearest(value, words) {
  if (typeof value !== "string" || value.length > 200) return null;
  const text = value.toLowerCase();
  let best = null;
  let least = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const known of words) {
    const changes = distance(text, known.toLowerCase());
    if (changes < least) [best, least] = [known, changes];
  }
  return best;
}

/** How many letters to add, drop, replace or swap with the next one. */
function distance(one, other) {
  let before = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[other.length];
}

function keyOf(name) {
  return name.split(":", 1)[0];
}

/** The actions that a text may mean: one, or all variants of a key that has no other. */
function actionNames(text) {
  if (actions.includes(text)) return [text];
  const variants = actions.filter((name) => keyOf(name) === text);
  if (variants.length === 0) throw unknown("action", text, actions);
  return variants;
}

const [FIRST, LATEST] = TABLE.microversions.map(minorOf);

function minorOf(version) {
  return Number(version.slice(2));
}

function microversion(text) {
  if (text === "latest") return LATEST;
  const minor = typeof text === "string" && /^2\.[1-9][0-9]*$/.test(text) ? minorOf(text) : 0;
  if (minor >= FIRST && minor <= LATEST) return minor;
  const range = `valid: ${TABLE.microversions.join(" to ")}, or latest`;
  throw new Error(`unknown microversion ${shown(text)}; ${range}`);
}

function asking(options) {
  if (!isObject(options)) throw new Error(`options must be an object, not ${shown(options)}`);
  for (const key of Object.keys(options)) word("option", key, ["actor", "microversion"]);
  return {
    actor: word("actor", options.actor ?? "member", actors),
    microversion: microversion(options.microversion ?? "latest"),
  };
}

function isGone(state) {
  return TABLE.gone.includes(state);
}

function projected(vmState, taskState) {
  const [idle, byTask] = TABLE.projection[vmState];
  return taskState === null ? idle : (byTask[taskState] ?? idle);
}

// ---------------------------------------------------------------------------- servers

const UNSAID = Object.freeze({
  vm_state: null,
  task_state: null,
  power_state: TABLE.power_states.NOSTATE,
  locked: false,
  locked_by: null,
  launched: true,
  host: null,
  volume_backed: false,
  vm_state_before_resize: null,
  deleted: false,
  only_status: null,
});
const FLAGS = ["locked", "launched", "host", "volume_backed", "deleted"];

class Server {
  constructor(said) {
    Object.assign(this, UNSAID, said);
    if (this.host === null) {
      this.host = !TABLE.hostless.includes(this.vm_state) && this.deleted !== true;
    }
    verifyWords(this);
    verifyWhole(this);
    Object.freeze(this);
  }

  get status() {
    return this.only_status ?? projected(this.vm_state, this.task_state);
  }
}

function verifyWords(server) {
  for (const [key, kind, words] of [
    ["vm_state", "vm_state", TABLE.vm_states],
    ["task_state", "task_state", TABLE.task_states],
    ["only_status", "status", TABLE.statuses],
    ["locked_by", "locked_by", TABLE.lock_owners],
    ["vm_state_before_resize", "vm_state_before_resize", BEFORE_RESIZE],
  ]) {
    if (server[key] !== null) word(kind, server[key], words);
  }
  const powers = Object.entries(TABLE.power_states);
  if (!powers.some(([, number]) => number === server.power_state)) {
    const valid = powers.map(([name, number]) => `${number} (${name})`).join(", ");
    throw new Error(`unknown power_state ${shown(server.power_state)}; valid: ${valid}`);
  }
  for (const flag of FLAGS) {
    if (typeof server[flag] !== "boolean") {
      throw new Error(`${flag} must be true or false, not ${shown(server[flag])}`);
    }
  }
}

function verifyWhole(server) {
  if (server.locked_by !== null && !server.locked) {
    throw new Error(`locked_by is "${server.locked_by}" and the server is not locked`);
  }
  if (server.only_status !== null && server.vm_state !== null) {
    throw new Error("only_status is for servers whose vm_state is unknown");
  }
  if (server.only_status === null && server.vm_state === null) {
    throw new Error("a server needs a vm_state, or a status alone");
  }
  if (server.vm_state === null && server.task_state !== null) {
    throw new Error(`task_state "${server.task_state}" is given without a vm_state`);
  }
}

const VM = "OS-EXT-STS:vm_state";
const TASK = "OS-EXT-STS:task_state";
const HOSTS = ["OS-EXT-SRV-ATTR:host", "hostId"];

function snapshotOf(server) {
  if (server === null || server instanceof Server) return server;
  if (typeof server === "string") return fromStatus(server);
  const isDocument = isObject(server) && ["server", "status", VM].some((key) => key in server);
  return isDocument ? fromApi(server) : fromRecord(server);
}

/** The server of a document that a cloud showed, or that Server.to_api of the library wrote. */
function described(document) {
  const get = (key, otherwise = null) => own(document, key) ?? otherwise;
  const status = get("status");
  if (status === null && own(document, VM) === undefined) {
    throw new Error(
      `neither status nor ${VM} is there: this is not what GET /servers/{id} answers`,
    );
  }
  const known = status === null ? null : word("status", status, TABLE.statuses);
  const said = {
    locked: get("locked", false),
    locked_by: get("serverfsm:locked_by"),
    launched: own(document, "OS-SRV-USG:launched_at") !== null,
    volume_backed: [null, ""].includes(own(document, "image")),
    vm_state_before_resize: get("serverfsm:vm_state_before_resize"),
    power_state: get("OS-EXT-STS:power_state", UNSAID.power_state),
  };
  const host = hostShown(document);
  const kept = own(document, "serverfsm:deleted");
  if (get(VM) === null || own(document, TASK) === undefined) {
    if (known === null) throw new Error(`${VM} needs ${TASK} beside it, or a status`);
    const deleted = kept === undefined ? isGone(known) : kept;
    return new Server({ ...said, only_status: known, deleted, host: host ?? !deleted });
  }
  const isPast = isGone(get(VM)) && get("OS-SRV-USG:terminated_at") !== null;
  const deleted = kept === undefined ? isPast : kept;
  const server = new Server({ ...said, vm_state: get(VM), task_state: get(TASK), deleted, host });
  if (known !== null && server.status !== known) {
    throw new Error(
      `status ${known} contradicts ${VM} ${server.vm_state} and ${TASK} ${server.task_state}, ` +
        `which are ${server.status}`,
    );
  }
  return server;
}

/** Whether the document shows a host; null if it is silent. */
function hostShown(document) {
  const key = HOSTS.find((name) => own(document, name) !== undefined);
  return key === undefined ? null : ![null, ""].includes(document[key]);
}

const PAIRS = new Map(statuses.map((status) => [status, []]));
for (const vm of vmStates) {
  for (const task of [null, ...taskStates]) PAIRS.get(projected(vm, task)).push([vm, task]);
}

/** Every vm_state and task_state that the server may be in, by what is known of it. */
function pairs(server) {
  return server.vm_state === null
    ? PAIRS.get(server.only_status)
    : [[server.vm_state, server.task_state]];
}

/** Every server with known states that this may be. */
function possible(server) {
  return pairs(server).map(([vm_state, task_state]) =>
    changed(server, {
      vm_state,
      task_state,
      only_status: null,
      host: server.host && !TABLE.hostless.includes(vm_state),
    }),
  );
}

function changed(server, changes) {
  return new Server({ ...server, ...changes });
}

// ----------------------------------------------------------------------------- guards

const BEFORE_RESIZE = [...new Set(Object.values(TABLE.ends.BEFORE_RESIZE).flat())];
const READER = TABLE.actors.reader;

function rank(actor) {
  return TABLE.actors[actor];
}

/** Who may, by a policy; where there is none, administrators. */
function atLeast(policy) {
  return policy === undefined ? ["admin"] : AT_LEAST.get(policy);
}

const AT_LEAST = new Map(
  Object.entries(TABLE.policies).map(([policy, least]) => [
    policy,
    actors.filter((who) => rank(who) >= rank(least)),
  ]),
);

function bypassesLock(request) {
  return request.actor === "admin";
}

function isTooNew({ row, microversion: minor }) {
  return isSaid(row.until) && minor >= minorOf(row.until);
}

function isTooOld({ row, microversion: minor }) {
  return isSaid(row.since) && minor < minorOf(row.since);
}

function versions(request) {
  const { since = TABLE.microversions[0], until } = request.row;
  return [isTooNew(request) ? `<${until}` : `>=${since}`];
}

/** Where the action is accepted, given what the server's root disk is; null: anywhere. */
function vmStatesOf({ row, server }) {
  const narrower = server?.volume_backed ? row.volume_backed_vm_states : null;
  return narrower ?? row.vm_states;
}

function lateVmStates(row) {
  return row.late_vm_states?.length ? row.late_vm_states : TABLE.vm_states;
}

function refusesVolumes({ row, microversion: minor }) {
  const { backing } = row;
  return isSaid(backing) && (!isSaid(backing.until) || minor < minorOf(backing.until));
}

function mayLate(request) {
  return atLeast(request.row.late_policy);
}

/**
 * How each guard is tested: why a request that fails it is refused, what it looks at, whether the
 * request passes, what it found, what it would accept; and `expects`: what of the server's record
 * must stay as it is for the request to pass again. `needsServer: false`: it can be tested where
 * there is no server. `beforeState`: it decides even where Nova does not know the state.
 */
const TESTS = {
  authenticated: {
    reason: "not_authenticated",
    attribute: "actor",
    needsServer: false,
    beforeState: true,
    passes: ({ actor }) => actor !== "anonymous",
    have: ({ actor }) => actor,
    want: () => actors.slice(1),
  },
  offered: {
    reason: "microversion",
    attribute: "microversion",
    needsServer: false,
    beforeState: true,
    passes: (request) => !isTooOld(request) && !isTooNew(request),
    have: (request) => `2.${request.microversion}`,
    want: versions,
  },
  removed: {
    reason: "removed",
    attribute: "action",
    needsServer: false,
    beforeState: true,
    passes: ({ row }) => !row.removed,
    have: ({ row }) => row.name,
    want: () => [],
  },
  known: {
    reason: "not_found",
    attribute: "server",
    needsServer: false,
    passes: ({ server }) => server !== null,
    have: () => null,
    want: () => [],
  },
  found: {
    reason: "not_found",
    attribute: "server",
    beforeState: true,
    passes: ({ server, actor }) => rank(actor) >= READER && !server.deleted,
    have: ({ server }) => (server.deleted ? "deleted" : null),
    want: () => [],
    expects: () => ({ deleted: [false] }),
  },
  policy: {
    reason: "forbidden",
    attribute: "actor",
    needsServer: false,
    beforeState: true,
    // To another project's server a stranger is one; at home, a member.
    passes: ({ row, actor }) =>
      atLeast(row.policy).includes(actor === "stranger" ? "member" : actor),
    have: ({ actor }) => actor,
    want: ({ row }) => atLeast(row.policy),
  },
  late_policy: {
    reason: "forbidden",
    attribute: "actor",
    passes: (request) => mayLate(request).includes(request.actor),
    have: ({ actor }) => actor,
    want: mayLate,
  },
  lock: {
    reason: "locked",
    attribute: "locked",
    beforeState: true,
    passes: (request) => !request.server.locked || bypassesLock(request),
    have: ({ server }) => server.locked,
    want: () => [false],
    expects: (request) => (bypassesLock(request) ? {} : { locked: [false] }),
  },
  lock_owner: {
    reason: "forbidden",
    attribute: "locked_by",
    passes: (request) =>
      request.server.locked_by !== "admin" || mayLate(request).includes(request.actor),
    have: ({ server }) => server.locked_by,
    want: () => [null, "owner"],
    expects: (request) =>
      mayLate(request).includes(request.actor)
        ? {}
        : { locked: [request.server.locked], locked_by: [request.server.locked_by] },
  },
  host: {
    reason: "no_host",
    attribute: "host",
    passes: ({ server }) => server.host,
    have: ({ server }) => server.host,
    want: () => [true],
    expects: () => ({ host: [true] }),
  },
  host_of_image: {
    reason: "no_host",
    attribute: "host",
    passes: ({ server }) => server.host || server.volume_backed,
    have: ({ server }) => server.host,
    want: () => [true],
    expects: ({ server }) => (server.volume_backed ? {} : { host: [true], volume_backed: [false] }),
  },
  vm_state: {
    reason: "vm_state",
    attribute: "vm_state",
    passes: (request) => vmStatesOf(request)?.includes(request.server.vm_state) ?? true,
    have: ({ server }) => server.vm_state,
    want: (request) => vmStatesOf(request) ?? [],
    expects: (request) => ({
      ...(vmStatesOf(request) === null ? {} : { vm_state: vmStatesOf(request) }),
      ...(isSaid(request.row.volume_backed_vm_states)
        ? { volume_backed: [request.server.volume_backed] }
        : {}),
    }),
  },
  late_vm_state: {
    reason: "vm_state",
    attribute: "vm_state",
    passes: ({ row, server }) => lateVmStates(row).includes(server.vm_state),
    have: ({ server }) => server.vm_state,
    want: ({ row }) => row.late_vm_states ?? [],
    expects: ({ row }) => ({ vm_state: lateVmStates(row) }),
  },
  task_state: {
    reason: "task_state",
    attribute: "task_state",
    passes: ({ row, server }) =>
      row.task_states === null ||
      row.task_states.includes(server.task_state) ||
      Boolean(row.any_task_in?.includes(server.status)),
    have: ({ server }) => server.task_state,
    want: ({ row }) => row.task_states ?? [],
    expects: ({ row, server }) => {
      if (row.task_states === null) return {};
      if (row.task_states.includes(server.task_state)) return { task_state: row.task_states };
      return { vm_state: [server.vm_state], task_state: [server.task_state] };
    },
  },
  launched: {
    reason: "not_launched",
    attribute: "launched",
    passes: ({ server }) => server.launched,
    have: ({ server }) => server.launched,
    want: () => [true],
    expects: () => ({ launched: [true] }),
  },
  backing: {
    reason: "volume_backed",
    attribute: "volume_backed",
    passes: (request) => !(request.server.volume_backed && refusesVolumes(request)),
    have: ({ server }) => server.volume_backed,
    want: () => [false],
    expects: (request) => (refusesVolumes(request) ? { volume_backed: [false] } : {}),
  },
  absent: {
    reason: "exists",
    attribute: "server",
    passes: () => false,
    have: () => true,
    want: () => [null],
  },
};

function fails(request, guard) {
  const test = TESTS[guard];
  return (request.server !== null || test.needsServer === false) && !test.passes(request);
}

/** The row with the answers of all its guards, in which all but {id} and {have} is filled in. */
function filled(row) {
  const answers = row.guards.map((guard) => {
    const { code, message } = row.answers?.[guard] ?? TABLE.answers[guard];
    const rule = ["late_policy", "lock_owner"].includes(guard) ? row.late_rule : row.rule;
    const words = { label: row.label, attribute: TESTS[guard].attribute, rule };
    const text = message.replace(/\{(label|attribute|rule)\}/g, (_, name) => words[name]);
    return [guard, { code, message: text }];
  });
  return { ...row, answers: Object.fromEntries(answers) };
}

const ROWS = new Map(TABLE.actions.map((row) => [row.name, filled(row)]));

function refusalOf(request, guard) {
  const { reason, attribute, have: find, want } = TESTS[guard];
  const have = find(request);
  const { code, message } = request.row.answers[guard];
  return {
    guard,
    reason,
    code,
    message: message.replaceAll("{have}", () => pythons(have)),
    attribute,
    have,
    want: [...want(request)],
  };
}

const PYTHONS = new Map([
  [null, "None"],
  [true, "True"],
  [false, "False"],
]);

/** A value as Nova, and the library, write it into a message. */
function pythons(value) {
  return PYTHONS.get(value) ?? String(value);
}

function firstFailure(request) {
  const guard = request.row.guards.find((each) => fails(request, each));
  return guard === undefined ? null : refusalOf(request, guard);
}

function passesAll(request) {
  return !request.row.guards.some((guard) => fails(request, guard));
}

function allFailures(request) {
  return request.row.guards
    .filter((guard) => fails(request, guard))
    .map((guard) => refusalOf(request, guard));
}

/** The compare-and-swap of an accepted request, as text: equal texts for equal ones. */
function swapText(request) {
  const { row, server } = request;
  const expect = {};
  if (server !== null) {
    for (const guard of row.guards) Object.assign(expect, TESTS[guard].expects?.(request) ?? {});
  }
  for (const { values, when = {} } of row.writes ?? []) {
    for (const column of server === null ? [] : lookedAt(when)) expect[column] = [server[column]];
    if (holds(request, when)) return JSON.stringify([expect, values]);
  }
  return JSON.stringify([expect, {}]);
}

// Columns of a condition, and the column of the server that each looks at.
const EQUAL = {
  host: "host",
  volume_backed: "volume_backed",
  launched: "launched",
  locked: "locked",
};
const AMONG = {
  vm_states: "vm_state",
  task_states: "task_state",
  power_states: "power_state",
  before_resize: "vm_state_before_resize",
};

function lookedAt(when) {
  return Object.entries({ ...EQUAL, ...AMONG })
    .filter(([column]) => isSaid(when[column]))
    .map(([, column]) => column);
}

function holds(request, when) {
  const server = request.server ?? NOWHERE;
  return (
    Object.entries(EQUAL).every(
      ([at, column]) => !isSaid(when[at]) || when[at] === server[column],
    ) &&
    Object.entries(AMONG).every(
      ([at, column]) => !isSaid(when[at]) || when[at].includes(server[column]),
    ) &&
    (!isSaid(when.administrator) || when.administrator === bypassesLock(request)) &&
    (!isSaid(when.since) || request.microversion >= minorOf(when.since)) &&
    (!isSaid(when.until) || request.microversion < minorOf(when.until)) &&
    when.option !== false &&
    when.driver !== false
  );
}

// What conditions see where there is no server.
const NOWHERE = new Server({ vm_state: TABLE.vm_states.find(isGone), deleted: true });

// --------------------------------------------------------------------------- deciding

// A finding is {allowed, code, reason, refusal, dependsOn, request}; the rest is worked out of it.

/** The finding for several possible cases is decided where they agree, else a maybe. */
function verdict(server, names, { actor, microversion: minor }) {
  const asked = names.map((name) => ({
    row: decidingRow(name, minor),
    server,
    actor,
    microversion: minor,
  }));
  const found = asked.flatMap(cases).map(decided);
  return answered(found.length === 1 ? found[0] : merged(found, asked[0]));
}

/** The row of the plain action where the variant's parameter is ignored. */
function decidingRow(name, minor) {
  const row = ROWS.get(name);
  const isIgnored = isSaid(row.ignored_before) && minor < minorOf(row.ignored_before);
  return isIgnored ? ROWS.get(keyOf(name)) : row;
}

/** Whether even Nova does not know the state: no pair of states has that status. */
function stateIsUnknown(server) {
  return server !== null && pairs(server).length === 0;
}

/** The request once for each server that it may be about. */
function cases(request) {
  const { server, row } = request;
  if (server === null || stateIsUnknown(server)) return [request];
  const isKnown = server.vm_state !== null;
  const isUnlocking = isSaid(row.late_policy) && row.guards.includes("lock_owner");
  const whoLocked = isUnlocking && server.locked && server.locked_by === null;
  if (isKnown && !whoLocked) return [request];
  const states = isKnown ? [server] : possible(server);
  const servers = whoLocked
    ? states.flatMap((each) => TABLE.lock_owners.map((locked_by) => changed(each, { locked_by })))
    : states;
  return servers.map((each) => ({ ...request, server: each }));
}

function decided(request) {
  const { row, server } = request;
  const first = firstFailure(request);
  const refusal = stateIsUnknown(server) ? ofUnknownState(first, row) : first;
  if (refusal === null) {
    return { allowed: true, code: row.normal, reason: "ok", refusal, dependsOn: [], request };
  }
  const dependsOn = refusal.guard === "backing" ? mightHelp(request) : [];
  const { code, reason } = refusal;
  return { allowed: false, code, reason, refusal, dependsOn, request };
}

/** What outside the server decides whether a volume-backed one is refused after all. */
function mightHelp({ row, microversion: minor }) {
  const { unless, unless_since: since } = row.backing;
  const helps = isSaid(unless) && (!isSaid(since) || minor >= minorOf(since));
  return helps ? [`whether ${unless}`] : [];
}

function ofUnknownState(refusal, row) {
  if (refusal !== null && TESTS[refusal.guard].beforeState) return refusal;
  const { code, message } = TABLE.invalid_state;
  return {
    guard: "vm_state",
    reason: "unknown_state",
    code,
    message: message.replaceAll("{label}", () => row.label),
    attribute: "status",
    have: statuses.find((status) => PAIRS.get(status).length === 0),
    want: [],
  };
}

function isMaybe(finding) {
  return !finding.allowed && finding.dependsOn.length > 0;
}

function merged(found, asked) {
  const first = found[0];
  const undecided = found.filter(isMaybe).flatMap((each) => each.dependsOn);
  const refusals = found.map((each) => each.refusal).filter(isSaid);
  if (refusals.length === 0) {
    const swaps = found.map((each) => swapText(each.request));
    if (new Set(swaps).size === 1) return first;
    return { ...first, dependsOn: deciding(found, swaps), request: asked };
  }
  if (refusals.length === found.length && undecided.length === 0) {
    return { ...first, request: asked };
  }
  const outcomes = found.map((each) => each.allowed || isMaybe(each));
  return {
    allowed: false,
    code: refusals[0].code,
    reason: "depends",
    refusal: { ...refusals[0], reason: "depends", have: null },
    dependsOn: [...new Set([...deciding(found, outcomes), ...undecided])],
    request: asked,
  };
}

/** The properties of a case on which its outcome depends, the others being the same. */
function deciding(found, outcomes) {
  const variant = `the variant of ${keyOf(found[0].request.row.name)}`;
  const names = [variant, "vm_state", "task_state", "locked_by"];
  const properties = found.map(({ request: { row, server } }) => [
    row.name,
    server?.vm_state ?? null,
    server?.task_state ?? null,
    server?.locked_by ?? null,
  ]);
  const places = [...names.keys()];
  const apart = places.filter((at) => new Set(properties.map((each) => each[at])).size > 1);
  const decisive = apart.filter((at) => {
    const outcome = new Map();
    return properties.some((each, index) => {
      const others = JSON.stringify(each.filter((_, i) => i !== at));
      if (!outcome.has(others)) outcome.set(others, outcomes[index]);
      return outcome.get(others) !== outcomes[index];
    });
  });
  const differ = new Set(outcomes).size > 1;
  return (decisive.length > 0 ? decisive : differ ? apart : []).map((at) => names[at]);
}

/** @returns {Verdict} */
function answered(finding) {
  const { allowed: isAllowed, code, reason, refusal, dependsOn } = finding;
  const failures = failuresOf(finding);
  return {
    allowed: isAllowed,
    code,
    reason,
    message: refusal?.message ?? null,
    attribute: refusal?.attribute ?? null,
    have: refusal?.have ?? null,
    want: refusal?.want ?? [],
    maybe: isMaybe(finding),
    dependsOn,
    retryable: isRetryable(finding, failures),
    hint: hintOf(finding, failures),
    failures,
  };
}

function failuresOf({ refusal, dependsOn, request }) {
  if (refusal === null) return [];
  const isKnown = isSaid(request.server?.vm_state);
  return isKnown && dependsOn.length === 0 ? allFailures(request) : [refusal];
}

// ----------------------------------------------------------------------------- advice

function curesByWaiting(refusal) {
  return TABLE.cured_by_waiting.includes(refusal.guard);
}

function isRetryable(finding, failures) {
  const { refusal, request } = finding;
  if (refusal === null || isMaybe(finding) || !curesByWaiting(refusal)) return false;
  const { server } = request;
  if (server !== null && server.vm_state !== null && server.task_state === null) return false;
  return waitingHelps(request, failures);
}

/** Whether a task is under way whose end may leave the server where the request is accepted. */
function waitingHelps({ row, server }, failures) {
  if (server === null || failures.length === 0 || !failures.every(curesByWaiting)) return false;
  const known = pairs(server);
  return (
    known.length > 0 &&
    known.every(
      ([vm, task]) => task !== null && after(vm, task).some((end) => acceptsIdle(row, end)),
    )
  );
}

/** The vm_states in which the task may leave the server. */
function after(vmState, taskState) {
  return TABLE.after[vmState][taskState] ?? [vmState];
}

function acceptsIdle(row, vmState) {
  const { task_states: tasks, any_task_in: statusesOfAny } = row;
  return (
    beginsIn(row, vmState) &&
    (tasks === null ||
      tasks.includes(null) ||
      Boolean(statusesOfAny?.includes(projected(vmState, null))))
  );
}

function beginsIn(row, vmState) {
  return [row.vm_states, row.late_vm_states].every((among) => among?.includes(vmState) ?? true);
}

/** What to do instead of a request that was refused, in words. */
function hintOf({ refusal, dependsOn, request }, failures) {
  if (refusal === null) return null;
  if (dependsOn.length > 0) {
    const which = `it depends on ${dependsOn.join(" and ")}`;
    return dependsOn.includes(refusal.attribute) ? `${which}: ${wanted(refusal)}` : which;
  }
  return HINTS[failures[0].reason](request, failures);
}

const HINTS = {
  not_authenticated: () => "ask with a valid token",
  microversion: (request) =>
    isTooOld(request)
      ? `use microversion ${request.row.since} or later`
      : `gone since microversion ${request.row.until}; use an earlier one`,
  removed: () => "Nova does not offer it any more",
  not_found: () => "there is no such server in this project",
  forbidden: whoMay,
  locked: ({ server }) =>
    server?.locked_by === "admin"
      ? "an administrator locked it: only an administrator may do this or unlock it"
      : "unlock it first",
  no_host: (request, failures) => {
    const advice = ofState(request, failures);
    return advice === wanted(failures[0]) ? "no compute host holds it" : advice;
  },
  vm_state: ofState,
  task_state: (request, failures) =>
    waitingHelps(request, failures)
      ? `wait for ${pythons(failures[0].have)}`
      : `${pythons(failures[0].have)} is under way and leads nowhere that allows it`,
  not_launched: () => "it never ran: delete it and create another",
  volume_backed: () => "image-backed servers only",
  exists: () => "the server exists already",
  unknown_state: () => "ask again: its state is not known",
};

const WHO = {
  member: "a member of the server's project may",
  manager: "a manager of the server's project or an administrator may",
  admin: "an administrator may",
};

function whoMay({ row }, failures) {
  if (failures[0].guard === "lock_owner") {
    return "an administrator locked it: only an administrator may unlock it";
  }
  const policy = failures[0].guard === "policy" ? row.policy : row.late_policy;
  return WHO[TABLE.policies[policy] ?? "admin"];
}

/** Where the guard would pass, in words. */
function wanted({ attribute, want }) {
  if (attribute === "task_state" && want.length === 1 && want[0] === null) {
    return "possible when no task is under way";
  }
  const words = want.map((each) => (each === null ? "none" : pythons(each))).join(", ");
  return words ? `possible with ${attribute} ${words}` : "not possible";
}

function ofState(request, failures) {
  const { server, row } = request;
  if (waitingHelps(request, failures)) {
    return `wait for ${server.task_state ?? "the task under way"}`;
  }
  const known = [...new Set(server === null ? [] : pairs(server).map(([vm]) => vm))];
  if (server !== null && server.task_state === null && known.length === 1) {
    const [vmState] = known;
    if (TABLE.stable.includes(vmState) && row.ends.every((end) => end === vmState)) {
      return `nothing to do: it is ${vmState} already`;
    }
    const steps = stepsBefore(request, changed(server, { vm_state: vmState, only_status: null }));
    if (steps.length > 0) return `${steps.join(" or ")} first`;
  }
  return wanted(failures[0]);
}

/** The keys of the most specific actions that lead in one step to where the request passes. */
function stepsBefore(request, server) {
  const passesAt = new Map();
  const passesAfter = (vm_state) => {
    if (!passesAt.has(vm_state)) {
      const there = changed(server, { vm_state, host: null, launched: true });
      passesAt.set(vm_state, passesAll({ ...request, server: there }));
    }
    return passesAt.get(vm_state);
  };
  const fitting = [...ROWS.values()].filter(
    (row) =>
      row.runs &&
      !row.destructive &&
      passesAll({ ...request, row, server }) &&
      endsFrom(row, server.vm_state).some(passesAfter),
  );
  const origins = (row) => TABLE.vm_states.filter((vm) => beginsIn(row, vm)).length;
  const least = Math.min(...fitting.map(origins));
  const keys = fitting.filter((row) => origins(row) === least).map((row) => keyOf(row.name));
  return [...new Set(keys)];
}

function endsFrom(row, vmState) {
  const ends = row.ends.flatMap((end) => TABLE.ends[end]?.[vmState] ?? [end]);
  return ends.filter((end) => end !== vmState);
}
