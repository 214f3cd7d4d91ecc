// A schedule as flags give it, as a request for the client, which checks what it means.

import { z } from 'zod'
import type { ScheduleRequest } from '../client/schedules.js'
import { CerebelumError } from '../core/errors.js'
import { OVERLAP_POLICIES, type OverlapPolicy } from '../core/schedule.js'
import type { ScheduleSpec } from '../core/schedule-spec.js'

export interface ScheduleFlags {
  readonly workflow: string
  readonly cron?: readonly string[]
  readonly timeZone?: string
  readonly every?: string
  readonly offset?: string
  readonly from?: string
  readonly until?: string
  readonly input?: string
  readonly attributes?: string
  readonly overlap?: string
  readonly catchUp?: string
  readonly jitter?: string
  readonly paused?: boolean
  readonly note?: string
}

/** @throws CerebelumError SETTINGS */
export function scheduleOf(flags: ScheduleFlags): ScheduleRequest {
  const { workflow, input, attributes, overlap, catchUp, jitter, paused, note } = flags
  return {
    spec: specOf(flags),
    workflow,
    ...(input === undefined ? {} : { input: jsonOf('--input', input) }),
    ...(attributes === undefined ? {} : { attributes: attributesOf(attributes) }),
    ...(overlap === undefined ? {} : { overlap: overlapOf(overlap) }),
    ...(catchUp === undefined ? {} : { catchUp }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(paused === undefined ? {} : { paused }),
    ...(note === undefined ? {} : { note }),
  }
}

/** @throws CerebelumError SETTINGS */
export function instantOf(flag: string, text: string): Date {
  const parsed = z.iso.datetime({ offset: true }).safeParse(text)
  if (!parsed.success) throw wrong(flag, text, 'an instant with its offset, e.g. 2030-01-01T00:00:00Z')
  return new Date(parsed.data)
}

function specOf({ cron, timeZone, every, offset, from, until }: ScheduleFlags): ScheduleSpec {
  const bounds = {
    ...(from === undefined ? {} : { from: instantOf('--from', from) }),
    ...(until === undefined ? {} : { until: instantOf('--until', until) }),
  }
  if (cron !== undefined && every === undefined && offset === undefined)
    return { cron, ...(timeZone === undefined ? {} : { timeZone }), ...bounds }
  if (every !== undefined && cron === undefined && timeZone === undefined)
    return { every, ...(offset === undefined ? {} : { offset }), ...bounds }
  const text =
    'A schedule fires by --cron, with --time-zone, or by --every, with --offset. Give one of the two, and what belongs to it.'
  throw new CerebelumError('SETTINGS', text, { setting: '--cron' })
}

function attributesOf(text: string): NonNullable<ScheduleRequest['attributes']> {
  const value = z.union([z.string(), z.number(), z.boolean(), z.null()])
  const parsed = z.record(z.string(), value).safeParse(jsonOf('--attributes', text))
  if (!parsed.success)
    throw wrong('--attributes', text, 'a JSON object of texts, numbers, booleans and nulls')
  return parsed.data
}

function overlapOf(text: string): OverlapPolicy {
  const parsed = z.enum(OVERLAP_POLICIES).safeParse(text)
  if (!parsed.success) throw wrong('--overlap', text, `one of ${OVERLAP_POLICIES.join(', ')}`)
  return parsed.data
}

function jsonOf(flag: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw wrong(flag, text, 'JSON; a text is "quoted", for most shells as \'"…"\'', cause)
  }
}

function wrong(flag: string, text: string, expected: string, cause?: unknown): CerebelumError {
  return new CerebelumError('SETTINGS', `${flag} is ${JSON.stringify(text)}; it must be ${expected}.`, {
    setting: flag,
    cause,
  })
}
