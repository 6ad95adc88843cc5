// check.mjs PLANNER SOURCES SCRATCH: what the schemas say of documents, against what the planner says of them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import Ajv from 'ajv'
import YAML from 'yaml'

const [planner, top, scratch] = process.argv.slice(2)
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, strictTypes: false })
const schema = {}
for (const name of ['bootfarm', 'image'])
  schema[name] = JSON.parse(readFileSync(join(top, 'proto', `${name}.schema.json`), 'utf8'))
const valid = { bootfarm: ajv.compile(schema.bootfarm), image: ajv.compile(schema.image) }
let failures = 0, checks = 0

function check(good, ...words) {
  checks++
  if (good) return
  failures++
  console.error(...words)
}

const parse = (text) => YAML.parse(text, { merge: true }) ?? null

// What the planner says of a folder.
function errorsOf(folder, ...options) {
  let out
  try {
    out = execFileSync(planner, ['plan', '--json', '--disk', ...options, folder], { maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (e) {
    if (e.status !== 1 || !e.stdout.length) throw e
    out = e.stdout
  }
  return JSON.parse(out).errors
}

// What a schema cannot see is only in the value of text: globs, and numbers within text.
const SEEN = new Set(['bad-type', 'unknown-key', 'missing-key'])
const OURS = new Set([...SEEN, 'bad-value', 'bad-glob', 'too-large'])

function compare(kind, what, document, codes) {
  const ok = valid[kind](document)
  const seen = codes.filter((c) => SEEN.has(c)), ours = codes.filter((c) => OURS.has(c))
  check(!(ok && seen.length), `${kind}: the planner says ${seen}, the schema nothing: ${what}`)
  check(ok || ours.length, `${kind}: the schema says ${JSON.stringify(valid[kind].errors)}, the planner nothing: ${what}`)
}

// ---- every key with every shape of value ----

const long = 'x'.repeat(5000)
const values = [
  null, true, false, 0, 5, -5, 1.5, 1e12, '', 'text', 'a b', '-x', '.', '5', '-5', '90s', '2h', '4GiB', '7d', '1 h', 'yes', 'no', 'true', 'none', 'tested',
  'amd64', 386, long, [], ['a'], [1, true], [null], ['amd64'], [['a']], [{}], ['-x'], [''], [long], Array(1001).fill('a'), {}, { a: 'b' }, { a: 1 },
  { a: null }, { a: ['x'] }, { a: [] }, { a: [null] }, { a: { b: 'c' } }, { 'a b': ['x'] }, { include: [{ a: 'b' }] }, { include: 'x' }, { include: ['x'] },
  { include: [{ a: null }] }, { include: [{ a: ['b'] }] }, { a: ['x'], include: [] },
]

function* keys(properties, path = []) {
  for (const [name, value] of Object.entries(properties)) {
    yield [...path, name]
    if (value.additionalProperties === false) yield* keys(value.properties, [...path, name])
  }
}

const wrap = (path, value) => path.reduceRight((inner, key) => ({ [key]: inner }), value)
const documents = [null, {}, [], ['a'], 'text', 5]
for (const path of keys(schema.bootfarm.properties.images.items.properties)) {
  for (const value of values) documents.push(wrap(path, value))
  documents.push(wrap([...path.slice(0, -1), path.at(-1) + 'x'], 'a'))
}

rmSync(scratch, { recursive: true, force: true })
documents.forEach((document, i) => {
  const folder = join(scratch, 'image', `d${i}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'Containerfile'), 'FROM scratch\n')
  writeFileSync(join(folder, 'image.yaml'), document === null ? '' : JSON.stringify(document))
})
const said = new Map()
for (const e of errorsOf(join(scratch, 'image'))) {
  if (basename(e.file) !== 'image.yaml') continue
  said.set(e.file, [...(said.get(e.file) ?? []), e.code])
}
documents.forEach((d, i) => compare('image', JSON.stringify(d)?.slice(0, 200), d, said.get(`d${i}/image.yaml`) ?? []))
check(said.size > documents.length / 4, 'the planner refused hardly anything:', said.size)
check(said.size < documents.length, 'the planner refused everything')

// ---- whole documents ----

const whole = [
  [true, 'bootfarm: 1\n'],
  [true, 'bootfarm: "1"\n'],
  [true, 'bootfarm: 1\ndefaults: {}\nimages: []\n'],
  [true, 'bootfarm: 1\nimages: [{files: a}]\n'],
  [true, 'bootfarm: 1\ndefaults: &d { priority: 1, test: { boot: no } }\nimages:\n  - { <<: *d, files: ["a/**"], version: 2.0 }\n'],
  [false, ''],
  [false, 'images: []\n'],
  [false, 'bootfarm: 2\n'],
  [false, 'bootfarm:\n'],
  [false, 'bootfarm: 1\nimges: []\n'],
  [false, 'bootfarm: 1\nimages:\n'],
  [false, 'bootfarm: 1\nimages: {}\n'],
  [false, 'bootfarm: 1\nimages: [a]\n'],
  [false, 'bootfarm: 1\nimages: [{name: x}]\n'],
  [false, 'bootfarm: 1\nimages: [{files: a, nmae: x}]\n'],
  [false, 'bootfarm: 1\nimages: [{files: a, build: {netwrok: none}}]\n'],
  [false, 'bootfarm: 1\ndefaults: []\n'],
  [false, 'bootfarm: 1\ndefaults: {files: a}\n'],
  [false, 'bootfarm: 1\ndefaults: {priority: 2000}\n'],
  [false, '- a\n'],
]
mkdirSync(join(scratch, 'empty'))
whole.forEach(([good, text], i) => {
  const config = join(scratch, `config-${i}.yaml`)
  writeFileSync(config, text)
  const codes = errorsOf(join(scratch, 'empty'), `--config=${config}`).map((e) => e.code)
  const document = parse(text)
  check(valid.bootfarm(document) === good, `bootfarm: expected ${good ? 'good' : 'bad'}: ${text}`)
  check((codes.length === 0) === good, `bootfarm: the planner says '${codes}' of ${text}`)
  compare('bootfarm', text, document, codes)
})

// ---- the sample ----

const sample = join(top, 'deploy', 'sample')
let files = 0
for (const path of readdirSync(sample, { recursive: true })) {
  const kind = basename(path) === 'bootfarm.yaml' ? 'bootfarm' : path.endsWith('image.yaml') ? 'image' : null
  if (!kind) continue
  files++
  check(valid[kind](parse(readFileSync(join(sample, path), 'utf8'))), `${path}:`, valid[kind].errors)
}
check(files >= 3, 'the sample has only', files, 'files')

// ---- defaults and descriptions ----

for (const path of keys(schema.bootfarm.properties.images.items.properties)) {
  const at = path.reduce((s, key) => s.properties[key], schema.bootfarm.properties.images.items)
  check(at.description, `${path.join('.')} has no description`)
  if ('default' in at) check(ajv.validate(at, at.default), `the default of ${path.join('.')} is not valid`)
}

console.log(`${checks} checks, ${documents.length} documents, ${said.size} of them refused, ${failures} failures`)
process.exit(failures ? 1 : 0)
