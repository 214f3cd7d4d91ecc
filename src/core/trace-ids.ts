// Ids of traces and their spans, derived from what an execution is: whichever node tells of a step, today or after a
// crash, tells of the same span. W3C Trace Context is the form (https://www.w3.org/TR/trace-context/).

import { createHash } from 'node:crypto'
import { CerebelumError } from './errors.js'

export interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly isSampled: boolean
}

/** 32 hexadecimal digits; of a run that nobody's trace has begun. */
export function traceIdOf(executionId: string, run: number): string {
  return digest(`trace\n${run}\n${executionId}`).slice(0, 32)
}

/** 16 hexadecimal digits. `part` names the span within the run, e.g. `step 3 1`; '' is the run itself. */
export function spanIdOf(executionId: string, run: number, part: string): string {
  return digest(`span\n${run}\n${part}\n${executionId}`).slice(0, 16)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Undefined: it is none, and the standard says to go on as if there were no such header. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = FORM.exec(text) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** Of a program that passes one on by hand: a wrong one is its mistake. @throws CerebelumError INVALID_ARGUMENT */
export function checkTraceparent(text: unknown): string {
  const parent = typeof text === 'string' ? parseTraceparent(text) : undefined
  if (parent !== undefined) return formatTraceparent(parent)
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The traceparent ${JSON.stringify(text)} is not one of W3C Trace Context. Give one such as 00-<32 digits>-<16 digits>-01, or none.`,
  )
}
