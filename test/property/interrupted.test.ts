// Random workflow programs, interrupted at every boundary between two events and resumed by another node, give the
// same result and the same history as uninterrupted ones. Each execution is interrupted at a version of its own: its
// node refuses the append that would go beyond it (`before`), or writes it and forgets the answer (`after`).
//
// CEREBELUM_PROPERTY_RUNS: how many programs (default 24); CEREBELUM_PROPERTY_SEED: those of an earlier run.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Append, Judge } from '../support/faulty-store.js'
import { findViolations } from '../support/invariants.js'
import { openLaboratory, type Laboratory, type Subject } from './laboratory.js'
import { normalForm, readHistories, type Histories } from './normal-form.js'
import { isConcurrent, programs, type Program } from './program.js'

const RUNS = Number(process.env['CEREBELUM_PROPERTY_RUNS'] ?? 24)
const SEED = Number(process.env['CEREBELUM_PROPERTY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const BATCH = 12

let laboratory: Laboratory
beforeAll(async () => {
  laboratory = await openLaboratory()
})
afterAll(() => laboratory?.close())

/** Batches of programs; the seed stands in the name of the test, so that every report shows it. */
function* batches(late: boolean): Generator<Program[]> {
  const drawn = fc.sample(programs({ late }), { numRuns: RUNS, seed: SEED })
  for (let from = 0; from < drawn.length; from += BATCH) yield drawn.slice(from, from + BATCH)
}

describe(`programs of seed ${SEED}`, { timeout: 60_000 + RUNS * 10_000 }, () => {
  it('end the same when they are interrupted at any version', async () => {
    for (const [number, batch] of [...batches(true)].entries()) await interruptEach(`b${number}`, batch)
  })

  it('end the same when they are interrupted after every append, each time by another node', async () => {
    for (const [number, batch] of [...batches(false)].entries()) await stutter(`s${number}`, batch)
  })

  it('end the same when nodes stop in good order again and again', async () => {
    for (const [number, batch] of [...batches(false)].entries()) await rollOver(`r${number}`, batch)
  })
})

/** An execution that is interrupted, and the one that is not. */
interface Pair extends Subject {
  readonly reference: string
}

interface Variant extends Pair {
  readonly version: number
  readonly when: 'before' | 'after'
}

async function interruptEach(name: string, batch: readonly Program[]): Promise<void> {
  const references = batch.map((program, index): Subject => ({ id: `${name}-${index}`, program }))
  const plan = new Map<string, Variant>()
  const judge: Judge = ({ executionId, version }: Append) => {
    const variant = plan.get(executionId)
    if (variant === undefined) return undefined
    if (variant.when === 'before') return version > variant.version ? 'before' : undefined
    return version >= variant.version ? 'after' : undefined
  }
  const first = await laboratory.startNode(judge)
  const uninterrupted = await laboratory.launch(first.engine.client, references)
  await laboratory.closed(references)
  const lengths = lengthsOf(await readHistories(laboratory.sql), references)

  const variants = references.flatMap((reference, index) => variantsOf(reference, lengths[index] ?? 0))
  for (const variant of variants) plan.set(variant.id, variant)
  const interrupted = await laboratory.launch(first.engine.client, variants)
  await laboratory.closed(variants, first.store.dead)
  await first.kill()

  const second = await laboratory.startNode()
  await laboratory.closed(variants)
  expect(await uninterrupted.answers).toEqual([])
  expect(await interrupted.answers).toEqual([])
  await second.engine.stop()
  await compare(variants)
}

/** A node after the other, of each of which an execution survives one append that records anything. */
async function stutter(name: string, batch: readonly Program[]): Promise<void> {
  const { references, subjects } = await prepare(name, batch)
  const starter = await laboratory.startNode(dieAfterAppend)
  const launched = await laboratory.launch(starter.engine.client, subjects)
  await starter.kill()
  for (let generation = 0; !(await laboratory.areClosed(subjects)); generation++) {
    expect(generation, `generations without an end (seed ${SEED})`).toBeLessThan(GENERATIONS_MAX)
    const node = await laboratory.startNode(dieAfterAppend)
    await laboratory.restsFrom(node.store)
    await node.kill()
  }
  expect(await launched.answers).toEqual([])
  await compare(subjects.map((subject, index) => ({ ...subject, reference: references[index]?.id ?? '' })))
}

const dieAfterAppend: Judge = ({ events }) => (events > 0 ? 'after' : undefined)
// Most need about as many as they have events.
const GENERATIONS_MAX = 300

/** Nodes that stop as by a deployment: they end what is in flight and hand the rest back. */
async function rollOver(name: string, batch: readonly Program[]): Promise<void> {
  const { references, subjects } = await prepare(name, batch)
  let node = await laboratory.startNode()
  const launched = await laboratory.launch(node.engine.client, subjects)
  for (let round = 1; !(await laboratory.areClosed(subjects)); round++) {
    const { store } = node
    // Some stop at once, others when a little more has been written, or when nothing goes on.
    await laboratory.restsFrom(store, (round % 5) * subjects.length)
    await node.engine.stop()
    node = await laboratory.startNode()
  }
  await node.engine.stop()
  expect(await launched.answers).toEqual([])
  const variants = subjects.map((subject, index) => ({ ...subject, reference: references[index]?.id ?? '' }))
  await compare(variants, { isDrained: true })
}

/** Runs the programs uninterrupted, and names those that will not be. */
async function prepare(
  name: string,
  batch: readonly Program[],
): Promise<{ references: Subject[]; subjects: Subject[] }> {
  const references = batch.map((program, index): Subject => ({ id: `${name}-${index}`, program }))
  const node = await laboratory.startNode()
  const launched = await laboratory.launch(node.engine.client, references)
  await laboratory.closed(references)
  expect(await launched.answers).toEqual([])
  await node.engine.stop()
  return { references, subjects: references.map(({ id, program }) => ({ id: `${id}-x`, program })) }
}

function lengthsOf(histories: Histories, subjects: readonly Subject[]): number[] {
  return subjects.map(({ id }) => histories.get(id)?.length ?? 0)
}

function variantsOf({ id, program }: Subject, length: number): Variant[] {
  const versions = Array.from({ length }, (_, index) => index + 1)
  return versions.flatMap((version) =>
    (['before', 'after'] as const)
      .filter((when) => when === 'after' || version < length)
      .map((when) => ({ id: `${id}-${version}-${when}`, reference: id, program, version, when })),
  )
}

async function compare(variants: readonly Pair[], how: { readonly isDrained?: boolean } = {}): Promise<void> {
  const histories = await readHistories(laboratory.sql)
  for (const { id, reference, program } of variants) {
    const options = { histories, isConcurrent: isConcurrent(program), ...how }
    expect(normalForm(id, options), `${id} (seed ${SEED}): ${fc.stringify(program)}`).toEqual(
      normalForm(reference, options),
    )
  }
  expect(await findViolations(laboratory.sql, { quiet: true, starts: variants.map(({ id }) => id) })).toEqual(
    [],
  )
  expect(await laboratory.doubleEffects()).toEqual([])
}
