// The explorer. Every rule comes from the page's data, made from the table, and from the verdicts'
// modules; here they are only looked up and shown. What is data becomes text, never markup.

const DATA = JSON.parse(byId("data").textContent);
const NONE = "none";
const UNCHANGED = "=";
const DONE = "done";
const LONGEST_LINK = 2000;
const SECONDS_A_STEP = 1.2;

// --------------------------------------------------------------------------- elements

function byId(id) {
  return document.getElementById(id);
}

/** An element with these properties; children are elements or text, and null is left out. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key.includes("-")) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function setText(element, text) {
  // The same text again would be announced again.
  if (element.textContent !== text) element.textContent = text;
}

// ------------------------------------------------------------------------------ words

const { words } = DATA;
const BOOKS = await modules();
const anyBook = BOOKS.values().next().value;
const ACTIONS = anyBook.actions;
const VM_STATES = new Map(words.vm_states.map((each) => [each.word, each]));
const MICROVERSIONS = countedDown(anyBook.microversions);

/** The verdicts' module of each rulebook; its text stands in the page. */
async function modules() {
  const found = new Map();
  for (const name of Object.keys(DATA.actions.books)) {
    const text = byId(`verdicts-${name}`).textContent;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    found.set(name, await import(address));
    URL.revokeObjectURL(address);
  }
  return found;
}

function countedDown([first, latest]) {
  const [major, from] = first.split(".");
  const to = Number(latest.split(".")[1]);
  return Array.from({ length: to - from + 1 }, (_, at) => `${major}.${to - at}`);
}

function minorOf(microversion) {
  return Number(microversion.split(".")[1]);
}

// ----------------------------------------------------------------------------- choice

/** What may be chosen: the values of each key of the address, the usual one first. */
const CHOICES = new Map([
  ["vm_state", [...VM_STATES.keys(), NONE]],
  ["task_state", [NONE, ...words.task_states.map((each) => each.word)]],
  ["power_state", words.power_states.map((each) => each.word)],
  ["disk", ["image", "volume"]],
  ["launched", ["yes", "no"]],
  ["lock", [NONE, ...words.lock_owners]],
  ["role", [...words.actors.map((each) => each.word)]],
  ["microversion", MICROVERSIONS],
  ["rulebook", [...BOOKS.keys()]],
  ["action", ["", ...ACTIONS]],
  ["run", [DONE, ...failureNames()]],
  ["goal", ["", ...words.statuses.map((each) => each.word)]],
]);
const STEP = "step"; // a number, whose limit hangs on the run

function failureNames() {
  return [...new Set(DATA.runs.runs.map(([word]) => word))].filter((word) => word !== DONE);
}

function usualChoice(vmState = CHOICES.get("vm_state")[0]) {
  const usual = Object.fromEntries([...CHOICES].map(([key, values]) => [key, values[0]]));
  return { ...usual, ...DATA.usual, ...withVmState(vmState), [STEP]: "0" };
}

/** A vm_state comes with the power state that a server in it usually has. */
function withVmState(vmState) {
  const known = VM_STATES.get(vmState);
  return { vm_state: vmState, ...(known && { power_state: known.power_state }) };
}

function isChoice(key, value) {
  return key === STEP ? /^\d{1,3}$/.test(value) : CHOICES.get(key).includes(value);
}

/** The text after the # of an address that says all of a choice. */
function written(choice) {
  return new URLSearchParams(Object.entries(choice).filter(([, value]) => value)).toString();
}

/** The choice that such a text says, and in words what of it could not be understood. */
function read(text) {
  const usual = usualChoice();
  if (text.length > LONGEST_LINK) return [usual, ["it is too long for a link of this page"]];
  const said = new Map();
  const complaints = [];
  for (const [key, value] of new URLSearchParams(text)) {
    if (key !== STEP && !CHOICES.has(key)) complaints.push(`there is no choice ${quoted(key)}`);
    else if (isChoice(key, value)) said.set(key, value);
    else complaints.push(`${key} cannot be ${quoted(value)}`);
  }
  const start = usualChoice(said.get("vm_state"));
  return [{ ...start, ...Object.fromEntries(said) }, complaints];
}

function quoted(text) {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

// --------------------------------------------------------------------------- verdicts

function bookOf(choice) {
  return BOOKS.get(choice.rulebook);
}

function serverOf(choice) {
  if (choice.vm_state === NONE) return null;
  const named = (word) => (word === NONE ? null : word);
  const power = words.power_states.find((each) => each.word === choice.power_state);
  return bookOf(choice).fromRecord({
    vm_state: choice.vm_state,
    task_state: named(choice.task_state),
    power_state: power.number,
    locked: choice.lock !== NONE,
    locked_by: named(choice.lock),
    launched: choice.launched === "yes",
    volume_backed: choice.disk === "volume",
  });
}

function verdictsOf(choice) {
  const { role: actor, microversion } = choice;
  return bookOf(choice).allowed(serverOf(choice), { actor, microversion });
}

function answerOf(verdict) {
  if (verdict.allowed) return "allowed";
  return verdict.maybe ? "depends" : "refused";
}

/** Nova's message, and the body of its answer byte for byte. */
function messageOf(message) {
  return message.replaceAll("{id}", () => DATA.server_id);
}

function bodyOf({ code, message }) {
  const fault = DATA.actions.faults[code];
  return `{"${fault}": {"code": ${code}, "message": ${JSON.stringify(messageOf(message))}}}`;
}

function statusOf(choice, [vmState, taskState]) {
  if (vmState === NONE) return NONE;
  return bookOf(choice).statusOf(vmState, taskState === NONE ? null : taskState);
}

function rowOf(choice, action = choice.action) {
  return DATA.actions.rows[DATA.actions.books[choice.rulebook][action]];
}

// ------------------------------------------------------------------------------- runs

/** The runs that an accepted request may take: [word, [step, …]] each, or none are known. */
function runsOf(choice) {
  const minor = minorOf(choice.microversion);
  const bands = DATA.runs.books[choice.rulebook][choice.action];
  const band = bands.findLast(([from]) => from <= minor);
  const menu = band && leafOf(band[1], metBy(choice));
  if (typeof menu !== "number") return [];
  const start = startOf(choice);
  return DATA.runs.menus[menu].map((place) => runAt(place, start));
}

/** The parts of the state before the request. */
function startOf({ vm_state, task_state, power_state, lock }) {
  return vm_state === NONE ? [NONE, NONE, NONE, NONE] : [vm_state, task_state, power_state, lock];
}

function metBy(choice) {
  const actor = words.actors.find((each) => each.word === choice.role);
  const values = {
    vm_state: choice.vm_state,
    task_state: choice.task_state,
    power_state: choice.power_state,
    volume_backed: choice.disk === "volume",
    launched: choice.launched === "yes",
    lock: choice.lock,
    administrator: actor.administrator,
  };
  return DATA.runs.dimensions.map((name) => values[name]);
}

function leafOf(tree, met) {
  if (!Array.isArray(tree)) return tree;
  const [dimension, ...branches] = tree;
  const branch = branches.find(([values]) => values.includes(met[dimension]));
  return branch && leafOf(branch[1], met);
}

function runAt(place, start) {
  const [word, ...steps] = DATA.runs.runs[place];
  return [word, steps.map((each) => stepAt(each, start))];
}

function stepAt(place, start) {
  const [event, cause, shown, effects, answer] = DATA.runs.steps[place];
  const states = shown.map((each) =>
    DATA.runs.states[each].map((part, at) => (part === UNCHANGED ? start[at] : part)),
  );
  return { event, cause, passing: states.slice(0, -1), state: states.at(-1), effects, answer };
}

/** What happens, in words. */
function sentenceOf({ event, answer }, verdict) {
  const word = event.includes(".") ? event.slice(event.lastIndexOf(".") + 1) : null;
  const waits = answer ? `; the request, which waits for it, is answered ${answer}` : "";
  if (word === null) return `accepted, ${verdict.code}`;
  if (word === "progress") return "the work goes on";
  return word === DONE ? "the work is done" : `it fails: ${word}${waits}`;
}

/** The run that is chosen: its word and its steps, the server as it was before being the first. */
function chosenRun(choice, runs) {
  const [word, steps] = runs.find(([each]) => each === choice.run) ?? runs[0];
  const start = startOf(choice);
  const before = { event: "", cause: "", passing: [], state: start, effects: [], answer: null };
  return [word, [before, ...steps]];
}

// ------------------------------------------------------------------------------ plans

function planOf(choice) {
  const lists = DATA.plans.books[choice.rulebook][choice.role];
  const from = words.vm_states.findIndex((each) => each.word === choice.vm_state);
  const to = words.statuses.findIndex((each) => each.word === choice.goal);
  const list = lists[choice.disk === "volume" ? 1 : 0];
  const plan = DATA.plans.plans[list[from * words.statuses.length + to]];
  return typeof plan === "string" ? plan : plan.map((place) => DATA.plans.steps[place]);
}

// ------------------------------------------------------------------- showing: the form

function fillForm() {
  const told = (list) => new Map(list.map((each) => [each.word, each]));
  const texts = {
    vm_state: (word) => (word === NONE ? "no server yet" : `${word} (${VM_STATES.get(word).status})`),
    microversion: (word) => (word === MICROVERSIONS[0] ? `${word} (latest)` : word),
    lock: (word) => (word === NONE ? "unlocked" : `locked by ${word}`),
    disk: (word) => `${word}-backed`,
  };
  const titles = {
    vm_state: VM_STATES,
    task_state: told(words.task_states),
    power_state: told(words.power_states),
    role: told(words.actors),
  };
  for (const select of byId("choice").querySelectorAll("select")) {
    const { name } = select;
    const options = CHOICES.get(name).map((value) =>
      make("option", {
        value,
        textContent: texts[name]?.(value) ?? value,
        title: titles[name]?.get(value)?.text ?? "",
      }),
    );
    select.append(...options);
  }
  byId("goal").append(
    make("option", { value: "", textContent: "choose a status" }),
    ...words.statuses.map(({ word }) => make("option", { value: word, textContent: word })),
  );
}

function showForm(choice) {
  for (const select of byId("choice").querySelectorAll("select")) {
    select.value = choice[select.name];
    const isOfServer = !["vm_state", "role", "microversion", "rulebook"].includes(select.name);
    select.disabled = isOfServer && choice.vm_state === NONE;
  }
  const status = statusOf(choice, startOf(choice));
  setText(byId("status"), status);
  setText(byId("status-text"), words.statuses.find((each) => each.word === status)?.text ?? "");
  setText(byId("book-title"), DATA.actions.titles[choice.rulebook]);
  byId("goal").value = choice.goal;
}

// ---------------------------------------------------------------- showing: the picture

/** The shown picture's nodes that stand for a vm_state with no task, by its status. */
const NODES = new Map();
let pictured = null; // the rulebook of the picture that is shown

/** Show the rulebook's picture, and make its states buttons. */
function draw(rulebook) {
  pictured = rulebook;
  const picture = byId(`picture-${rulebook}`).content.cloneNode(true);
  picture.querySelector("svg").setAttribute("role", "group"); // an image would hide its buttons
  byId("canvas").replaceChildren(picture);
  NODES.clear();
  for (const state of words.vm_states) {
    const node = document.getElementById(`state-${state.status}`);
    if (node) NODES.set(state.status, enlivened(node, state));
  }
}

function enlivened(node, { word }) {
  node.setAttribute("role", "button");
  node.setAttribute("tabindex", "0");
  // Its tooltip is its name; what else stands in the node is said by the list of actions.
  for (const line of node.querySelectorAll("text")) line.ariaHidden = "true";
  const pick = () => choose({ ...withVmState(word), task_state: NONE });
  node.addEventListener("click", pick);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    pick();
  });
  return node;
}

function showPicture(choice, vmStateNow) {
  if (pictured !== choice.rulebook) draw(choice.rulebook);
  const chosen = VM_STATES.get(choice.vm_state)?.status;
  const now = VM_STATES.get(vmStateNow)?.status;
  for (const [name, node] of NODES) {
    node.classList.toggle("chosen", name === chosen);
    node.classList.toggle("now", name === now);
    node.setAttribute("aria-pressed", String(name === chosen));
  }
}

// ---------------------------------------------------------------- showing: the actions

const ANSWERS = [
  ["allowed", "✓", "Allowed"],
  ["depends", "?", "It depends"],
  ["refused", "✕", "Refused"],
];
const SIGNS = new Map(ANSWERS.map(([answer, sign]) => [answer, sign]));
const BUTTONS = new Map();
const LISTS = new Map();

function makeLists() {
  for (const [answer, , title] of ANSWERS) {
    const heading = make("h3", { id: `${answer}-title` });
    const list = make("ul", { "aria-labelledby": heading.id });
    byId("lists").append(make("div", { class: `group ${answer}` }, heading, list));
    LISTS.set(answer, { title, heading, list });
  }
  for (const name of ACTIONS) {
    const button = make(
      "button",
      { type: "button", class: "action" },
      make("span", { class: "sign" }),
      make("span", {}, make("span", { class: "name" }, name), " ", make("span", { class: "why" })),
      make("span", { class: "code" }),
    );
    button.dataset.action = name;
    button.addEventListener("click", () => choose({ action: name, run: DONE, [STEP]: "0" }, reveal));
    BUTTONS.set(name, make("li", {}, button));
  }
}

function showLists(choice, verdicts) {
  const groups = new Map(ANSWERS.map(([answer]) => [answer, []]));
  for (const name of ACTIONS) {
    const item = BUTTONS.get(name);
    const verdict = verdicts[name];
    const answer = answerOf(verdict);
    groups.get(answer).push(item);
    showAction(item.firstChild, verdict, name === choice.action);
    setText(item.querySelector(".why"), verdict.hint ?? endOf({ ...choice, action: name }));
  }
  for (const [answer, { title, heading, list }] of LISTS) {
    const items = groups.get(answer);
    setText(heading, `${title} (${items.length})`);
    heading.parentElement.hidden = items.length === 0;
    // An element that is moved loses the focus: only what changed is moved.
    if (items.some((item, at) => list.children[at] !== item)) list.replaceChildren(...items);
    while (list.children.length > items.length) list.lastChild.remove();
  }
}

function showAction(button, verdict, isChosen) {
  const sign = button.querySelector(".sign");
  const answer = answerOf(verdict);
  button.dataset.answer = answer;
  button.setAttribute("aria-pressed", String(isChosen));
  if (sign.dataset.answer !== answer) {
    sign.dataset.answer = answer;
    sign.replaceChildren(
      make("span", { "aria-hidden": "true", textContent: SIGNS.get(answer) }),
      make("span", { class: "unseen", textContent: `${answer}: ` }),
    );
  }
  setText(button.querySelector(".code"), String(verdict.code));
}

/** Where the action leads if it succeeds, in words; nothing where the status stays. */
function endOf(choice) {
  const success = runsOf(choice).find(([word]) => word === DONE);
  const end = success && statusOf(choice, success[1].at(-1).state);
  const isElsewhere = end && end !== statusOf(choice, startOf(choice));
  return isElsewhere ? `leads to ${end}` : "";
}

// ----------------------------------------------------------------- showing: the answer

function showAnswer(choice, verdict) {
  setText(byId("detail-title"), choice.action || "The answer");
  byId("row").hidden = !choice.action;
  byId("back").hidden = !choice.action;
  if (!choice.action) {
    byId("answer").replaceChildren(make("p", { class: "quiet" }, "Choose an action."));
    return;
  }
  const row = rowOf(choice);
  byId("answer").replaceChildren(
    make("p", { class: "quiet", textContent: `${row.title}. ${row.endpoint}` }),
    verdictLine(verdict),
    ...(verdict.allowed ? acceptedParts(row) : refusedParts(row, verdict)),
  );
  byId("facts").replaceChildren(...factParts(choice, row));
}

function verdictLine(verdict) {
  const answer = answerOf(verdict);
  const line = make(
    "p",
    { class: "verdict", id: "verdict" },
    make("span", { class: "sign", "aria-hidden": "true", textContent: SIGNS.get(answer) }),
    make("strong", { textContent: answer }),
    make("span", { id: "code", class: "code", textContent: String(verdict.code) }),
    make("span", { id: "reason", class: "quiet", textContent: verdict.reason }),
  );
  line.dataset.answer = answer;
  return line;
}

function acceptedParts(row) {
  if (row.assumes.length === 0) return [];
  const assumed = row.assumes.map(({ sentence, code, message }) =>
    make("li", {}, `${sentence}; else ${code}: `, make("q", { textContent: messageOf(message) })),
  );
  return [make("h3", {}, "Taken for granted"), make("ul", {}, ...assumed)];
}

function refusedParts(row, verdict) {
  const tooLate = row.too_late?.includes(verdict.failures[0].guard);
  const failures = verdict.failures.map(({ attribute, code, message }) =>
    make("li", {}, make("b", { textContent: attribute }), ` ${code}: ${messageOf(message)}`),
  );
  return [
    make("p", { class: "hint" }, "Instead: ", make("span", { id: "hint" }, verdict.hint)),
    tooLate ? make("p", {}, "Too late: Nova has written already what acceptance writes.") : null,
    make("h3", {}, "Nova answers"),
    make("pre", {}, make("code", { id: "body" }, bodyOf(verdict))),
    verdict.failures.length > 1 ? make("h3", {}, "What is against it, in Nova's order") : null,
    verdict.failures.length > 1 ? make("ol", { id: "failures" }, ...failures) : null,
  ].filter(Boolean);
}

function factParts(choice, row) {
  const facts = [
    ["who may", `${row.policy} (${row.rule})`],
    ["lock", row.lock],
    ["microversions", row.until ? `${row.since} to before ${row.until}` : `${row.since} and later`],
    ["body needs", row.parameters.map(parameterText).join(", ")],
    ["gives up", row.destructive ? "the server, or what its disk holds" : ""],
    ["changes", row.record_only ? "only what the record says" : ""],
  ].filter(([, text]) => text);
  const differs = DATA.actions.deviations[choice.action] ?? [];
  return [
    make(
      "dl",
      {},
      ...facts.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
      make("dt", {}, "sources"),
      ...row.sources.map((source) => make("dd", {}, make("code", {}, source))),
    ),
    ...differs.map(deviationNote),
  ];
}

function parameterText({ name, values }) {
  return values.length > 0 ? `${name} = ${values.join(" or ")}` : name;
}

function deviationNote({ reference, nova, evidence }) {
  return make(
    "div",
    { class: "note" },
    make("h3", {}, "Where the two rulebooks differ"),
    make("p", {}, make("b", {}, "api-reference: "), reference),
    make("p", {}, make("b", {}, "nova-34: "), nova),
    make("p", { class: "quiet" }, `evidence: ${evidence}`),
  );
}

// ------------------------------------------------------------------ showing: what follows

let playing = null;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

/** Show the run, and return the vm_state at the chosen step. */
function showRun(choice, verdict) {
  const runs = verdict?.allowed ? runsOf(choice) : [];
  const isKnown = runs.length > 0;
  byId("run").hidden = !isKnown;
  if (!isKnown) {
    stop();
    return null;
  }
  const [word, steps] = chosenRun(choice, runs);
  const at = Math.min(Number(choice[STEP]), steps.length - 1);
  showWays(runs, word);
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === steps.length - 1;
  byId("play").disabled = at === steps.length - 1 && playing === null;
  setText(byId("play"), playing ? "Pause" : STILL.matches ? "To the end" : "Play");
  byId("steps").replaceChildren(stepsTable(choice, verdict, steps, at));
  const status = statusOf(choice, steps[at].state);
  const what = at === 0 ? "before the request" : sentenceOf(steps[at], verdict);
  setText(byId("step"), `Step ${at} of ${steps.length - 1}: ${what}. ${status}`);
  return steps[at].state[0];
}

function showWays(runs, chosen) {
  const group = byId("ways");
  const names = runs.map(([word]) => word);
  if (names.join() !== [...group.children].map((each) => each.dataset.run).join()) {
    group.replaceChildren(...names.map(wayButton));
  }
  for (const button of group.children) {
    button.setAttribute("aria-pressed", String(button.dataset.run === chosen));
  }
}

function wayButton(word) {
  const isDone = word === DONE;
  const sign = make("span", { "aria-hidden": "true" }, isDone ? "✓ " : "! ");
  const button = make("button", { type: "button", class: "way" }, sign, isDone ? "success" : word);
  button.dataset.run = word;
  button.addEventListener("click", () => choose({ run: word, [STEP]: "0" }));
  return button;
}

const COLUMNS = ["vm_state", "task_state", "power_state", "lock"];

function stepsTable(choice, verdict, steps, at) {
  const isLocking = steps.some(({ state }) => state[3] !== steps[0].state[3]);
  const columns = COLUMNS.slice(0, isLocking ? 4 : 3);
  const heads = ["", "what happens", "by", "status", ...columns];
  const head = make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name || "step")));
  const rows = [];
  let last = steps[0].state;
  steps.forEach((step, number) => {
    for (const state of step.passing) {
      rows.push(stateRow(choice, "", "for an instant", "", state, last, columns, "passing"));
      last = state;
    }
    const what = number === 0 ? "before the request" : sentenceOf(step, verdict);
    const more = step.effects.length > 0 ? `${what} (${step.effects.join(", ")})` : what;
    const kind = number === at ? "current" : "";
    rows.push(stateRow(choice, String(number), more, step.cause, step.state, last, columns, kind));
    if (number === at) rows.at(-1).setAttribute("aria-current", "step");
    last = step.state;
  });
  const caption = make("caption", { class: "unseen" }, "The steps, the chosen one marked");
  return make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows));
}

function stateRow(choice, number, what, cause, state, last, columns, kind) {
  const cells = [statusOf(choice, state), ...columns.map((_, at) => state[at])];
  const before = [statusOf(choice, last), ...columns.map((_, at) => last[at])];
  const names = ["status", ...columns];
  const shown = cells.map((text, at) => {
    const isNew = text !== before[at];
    const cell = make("td", { class: isNew ? "new" : "" }, text);
    cell.dataset.name = names[at];
    if (isNew) cell.append(make("span", { class: "unseen" }, " (new)"));
    return cell;
  });
  const cells0 = make("th", { scope: "row" }, kind === "current" ? `▸ ${number}` : number);
  const by = make("td", { class: `cause ${cause}` }, cause);
  by.dataset.name = "by";
  return make("tr", { class: kind }, cells0, make("td", { class: "what" }, what), by, ...shown);
}

function stop() {
  clearInterval(playing);
  playing = null;
}

function stepTo(change) {
  const now = Number(current[STEP]);
  choose({ [STEP]: String(Math.max(0, now + change)) }, null, true);
}

function pauseAnd(change) {
  stop();
  stepTo(change);
}

function play() {
  if (playing !== null) {
    stop();
    show();
    return;
  }
  if (STILL.matches) {
    stepTo(lastStep());
    return;
  }
  playing = setInterval(advance, SECONDS_A_STEP * 1000);
  advance();
}

function advance() {
  if (Number(current[STEP]) + 1 >= lastStep()) stop();
  stepTo(1);
}

function lastStep() {
  return chosenRun(current, runsOf(current))[1].length - 1;
}

// --------------------------------------------------------------------- showing: the plan

function showPlan(choice) {
  const isServer = choice.vm_state !== NONE;
  byId("planning").hidden = !isServer;
  if (!isServer) return;
  setText(byId("plan-start"), VM_STATES.get(choice.vm_state).status);
  byId("plan").replaceChildren(...(choice.goal ? planParts(choice) : []));
}

function planParts(choice) {
  const plan = planOf(choice);
  const terms = `Of an unlocked server with no task under way, at ${MICROVERSIONS[0]}, as ${choice.role}.`;
  const note = make("p", { class: "quiet" }, terms);
  if (typeof plan === "string") return [make("p", {}, `No plan: ${plan}.`), note];
  if (plan.length === 0) return [make("p", {}, `Nothing to do: it is ${choice.goal}.`), note];
  return [make("ol", {}, ...plan.map(planStep)), note];
}

function planStep([action, goal, passes, parameters, assumes]) {
  const shows = passes.map(([status, task]) => (task ? `${status} + ${task}` : status));
  return make(
    "li",
    {},
    action ? actionLink(action) : null,
    parameters.length > 0
      ? ` with ${parameters.map(([name, values]) => parameterText({ name, values })).join(", ")}`
      : null,
    goal ? make("div", {}, action ? "then wait for " : "wait for ", make("b", {}, goal)) : null,
    shows.length > 0 ? make("div", { class: "quiet" }, `past ${shows.join(", ")}`) : null,
    ...assumes.map((sentence) => make("div", { class: "quiet" }, `if ${sentence}`)),
  );
}

function actionLink(action) {
  const button = make("button", { type: "button", class: "link" }, action);
  button.addEventListener("click", () => choose({ action, run: DONE, [STEP]: "0" }, reveal));
  return button;
}

// ----------------------------------------------------------------------------- search

const MOST_FOUND = 12;

/** All that can be found: its name, what it is, and what choosing it changes. */
function findable() {
  const plain = Object.values(DATA.actions.books)[0];
  const actions = ACTIONS.map((action) => ({
    name: action,
    text: `action: ${DATA.actions.rows[plain[action]].title}`,
    change: { action, run: DONE, [STEP]: "0" },
  }));
  const statuses = words.statuses.map(({ word, text, pair }) => ({
    name: word,
    text: `status: ${text}`,
    change: pair && { ...withVmState(pair[0]), task_state: pair[1] ?? NONE },
  }));
  const vmStates = words.vm_states.map(({ word, text }) => ({
    name: word,
    text: `vm_state: ${text}`,
    change: { ...withVmState(word), task_state: NONE },
  }));
  const tasks = words.task_states.map(({ word, text }) => ({
    name: word,
    text: `task_state: ${text}`,
    change: { task_state: word },
  }));
  return [...actions, ...statuses, ...vmStates, ...tasks].filter(({ change }) => change);
}

const FINDABLE = findable();

function found(text) {
  const asked = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (asked.length === 0) return [];
  const fits = FINDABLE.filter(({ name, text: more }) => {
    const all = `${name} ${more}`.toLowerCase();
    return asked.every((word) => all.includes(word));
  });
  const rank = ({ name }) => (name.toLowerCase().includes(asked[0]) ? 0 : 1);
  return fits.sort((one, other) => rank(one) - rank(other));
}

function showFound() {
  const text = byId("find").value.slice(0, 100);
  const all = found(text);
  const items = all.slice(0, MOST_FOUND).map(({ name, text: more, change }) => {
    const button = make("button", { type: "button" }, make("b", {}, name), ` ${more}`);
    button.addEventListener("click", () => {
      closeFound();
      choose(change, change.action ? reveal : null);
    });
    return make("li", {}, button);
  });
  byId("found").replaceChildren(...items);
  byId("found").hidden = items.length === 0;
  const more = all.length > items.length ? `, the first ${items.length} are shown` : "";
  setText(byId("found-count"), text.trim() ? `${all.length || "nothing"} found${more}` : "");
}

function closeFound() {
  byId("find").value = "";
  showFound();
}

// ------------------------------------------------------------------- choosing and showing

let current = usualChoice();
let address = null; // what this page wrote last after the #

/** Show what is chosen now. */
function show() {
  const verdicts = verdictsOf(current);
  const verdict = current.action ? verdicts[current.action] : null;
  showForm(current);
  showLists(current, verdicts);
  showAnswer(current, verdict);
  showPicture(current, showRun(current, verdict));
  showPlan(current);
  setText(byId("result"), resultOf(verdicts, verdict));
}

function resultOf(verdicts, verdict) {
  const all = Object.values(verdicts);
  const count = all.filter((each) => each.allowed).length;
  const { role, action } = current;
  const status = statusOf(current, startOf(current));
  const of = status === NONE ? "with no server" : `for ${status}`;
  const one = verdict ? `${action} is ${answerText(verdict)}. ` : "";
  return `${one}${count} of ${all.length} actions are allowed ${of}, as ${role}.`;
}

function answerText(verdict) {
  const answer = answerOf(verdict);
  return `${answer === "depends" ? "not decided" : answer}, ${verdict.code}`;
}

/** Change the choice, show it, and put it into the address; a mere step is no place to go back to. */
function choose(change, then = null, isStep = false) {
  if (!isStep) stop();
  current = { ...current, ...change };
  complain([]);
  show();
  const text = written(current);
  if (text !== address) {
    address = text;
    // To set the location would lay the page out anew at each choice.
    if (isStep) history.replaceState(null, "", `#${text}`);
    else history.pushState(null, "", `#${text}`);
  }
  then?.();
}

/** Take the choice from the address: at the start, and when the reader goes back or forward. */
function arrive() {
  const text = location.hash.slice(1);
  if (text === address) return;
  stop();
  const [choice, complaints] = read(text);
  current = choice;
  address = text;
  complain(complaints);
  show();
}

function complain(complaints) {
  const box = byId("complaint");
  box.hidden = complaints.length === 0;
  const shown = complaints.slice(0, 4);
  if (complaints.length > shown.length) shown.push(`${complaints.length - shown.length} more`);
  setText(box, `The link is not understood: ${shown.join("; ")}. The usual is shown instead.`);
}

/** Where the answer is not in sight, as on a narrow screen, go there. */
function reveal() {
  const { top } = byId("detail").getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.7) return;
  byId("detail").scrollIntoView({ block: "start" });
  byId("detail").focus({ preventScroll: true });
}

async function copyLink() {
  const link = `${location.href.split("#")[0]}#${written(current)}`;
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    isCopied = false;
    choose({});
  }
  setText(byId("copy"), isCopied ? "Copied" : "It stands in the address bar");
  setTimeout(() => setText(byId("copy"), "Copy link"), 2000);
}

function listen() {
  byId("choice").addEventListener("change", ({ target }) => {
    const { name, value } = target;
    choose(name === "vm_state" ? withVmState(value) : { [name]: value });
  });
  byId("choice").addEventListener("submit", (event) => event.preventDefault());
  byId("goal").addEventListener("change", ({ target }) => choose({ goal: target.value }));
  byId("reset").addEventListener("click", () => choose(usualChoice()));
  byId("previous").addEventListener("click", () => pauseAnd(-1));
  byId("next").addEventListener("click", () => pauseAnd(1));
  byId("play").addEventListener("click", play);
  byId("copy").addEventListener("click", copyLink);
  byId("back").addEventListener("click", () => {
    const button = BUTTONS.get(current.action).firstChild;
    button.scrollIntoView({ block: "center" });
    button.focus({ preventScroll: true });
  });
  byId("larger").addEventListener("click", ({ currentTarget }) => {
    const isLarger = byId("canvas").classList.toggle("larger");
    currentTarget.setAttribute("aria-pressed", String(isLarger));
  });
  byId("find").addEventListener("input", showFound);
  byId("find").addEventListener("keydown", (event) => {
    const first = byId("found").querySelector("button");
    if (event.key === "Escape") closeFound();
    else if (event.key === "Enter") first?.click();
    else if (event.key === "ArrowDown") first?.focus();
    else return;
    event.preventDefault();
  });
  document.querySelector("[data-skip]").addEventListener("click", (event) => {
    event.preventDefault(); // the # of the address is the choice's
    byId("result").focus();
  });
  STILL.addEventListener("change", show);
  addEventListener("hashchange", arrive);
}

fillForm();
makeLists();
listen();
arrive();

/** For scripts and tests: change the choice as the controls do, and see what it is. */
globalThis.explorer = Object.freeze({
  choose: (change) => {
    for (const [key, value] of Object.entries(change)) {
      if (key !== STEP && !CHOICES.has(key)) throw new Error(`there is no choice ${key}`);
      if (!isChoice(key, value)) throw new Error(`${key} cannot be ${value}`);
    }
    choose(change);
  },
  chosen: () => ({ ...current }),
});
