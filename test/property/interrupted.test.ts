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

describe(`programs of seed ${SEED}`, () => {
  it(
    'end the same when they are interrupted at any version',
    async () => {
      for (const [number, batch] of [...batches(true)].entries()) await interruptEach(`b${number}`, batch)
    },
    60_000 + RUNS * 10_000,
  )
})

interface Variant extends Subject {
  readonly reference: string
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

async function compare(variants: readonly Variant[]): Promise<void> {
  const histories = await readHistories(laboratory.sql)
  for (const { id, reference, program, version, when } of variants) {
    const options = { histories, isConcurrent: isConcurrent(program) }
    expect(
      normalForm(id, options),
      `interrupted ${when} version ${version}: ${fc.stringify(program)} (seed ${SEED})`,
    ).toEqual(normalForm(reference, options))
  }
  expect(await findViolations(laboratory.sql, { quiet: true, starts: variants.map(({ id }) => id) })).toEqual(
    [],
  )
  expect(await laboratory.doubleEffects()).toEqual([])
}
