// node ast.mjs FILE...: what dockerfile-ast says about each file, as one line of JSON in cf_dump's words.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The package stands in the folder that it was installed to, not beside this file.
const { DockerfileParser } = createRequire(process.cwd() + "/")("dockerfile-ast");
const KEPT = ["FROM", "ARG", "ENV", "COPY", "ADD", "RUN", "ONBUILD"];

let mark = 0; // a byte order mark counts as a character there

const place = ({ start: { line, character } }) => ({ line: line + 1, column: character + 1 - (line === 0 ? mark : 0) });

// Its flags are those of the instruction that it calls modifiable.
const flags = (instruction) =>
  (instruction.getFlags?.() ?? []).map((flag) => ({ ...place(flag.getValueRange() ?? flag.getRange()), name: flag.getName(), value: flag.getValue() }));

function words(instruction) {
  const strings = instruction.getJSONStrings?.() ?? [];
  if (strings.length > 0) return strings.map((s) => ({ text: s.getJSONValue() }));
  return instruction.getArguments().map((a) => ({ ...place(a.getRange()), text: a.getValue() }));
}

function describe(instruction) {
  const op = instruction.getKeyword();
  const said = { op, ...place(instruction.getInstructionRange()), flags: flags(instruction), heredoc: (instruction.getHeredocs?.() ?? []).length > 0 };
  if (["FROM", "ARG", "COPY", "ADD"].includes(op)) said.words = words(instruction);
  if (op === "FROM") said.stage = instruction.getBuildStage();
  if (op === "ONBUILD") said.trigger = instruction.getTrigger()?.toUpperCase();
  return said;
}

for (const file of process.argv.slice(2)) {
  const content = readFileSync(file, "utf8");
  mark = content.startsWith("\uFEFF") ? 1 : 0;
  const instructions = DockerfileParser.parse(content).getInstructions();
  console.log(JSON.stringify({ file, instructions: instructions.filter((i) => KEPT.includes(i.getKeyword())).map(describe) }));
}
