// Runs machine configurations in XState: node check_xstate.mjs XSTATE_MODULE.
// In: a JSON object {name: {config, walks}}, a walk being a list of events with `type`.
// Out, of each name, either {error} or {walks}: of each walk the states, the first one included.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { createActor, createMachine } = await import(pathToFileURL(process.argv[2]));

// The guard that the configuration asks for: whoever sends an event says what it takes.
const takes = ({ event }, params) =>
  Object.entries(params).every(([name, value]) => event[name] === value);

const answers = {};
for (const [name, { config, walks }] of Object.entries(JSON.parse(readFileSync(0, "utf-8")))) {
  try {
    const machine = createMachine(config, { guards: { takes } });
    answers[name] = {
      id: machine.id,
      states: Object.keys(machine.states),
      walks: walks.map((events) => {
        const actor = createActor(machine).start();
        const seen = [actor.getSnapshot().value];
        for (const event of events) {
          actor.send(event);
          seen.push(actor.getSnapshot().value);
        }
        return seen;
      }),
    };
  } catch (error) {
    answers[name] = { error: String(error.message ?? error) };
  }
}
process.stdout.write(JSON.stringify(answers));
