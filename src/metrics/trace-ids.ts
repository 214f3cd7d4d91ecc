// Where OpenTelemetry's SDK takes the ids of spans from, given to it by the program: ours for the spans of executions, and
// random ones for all others. Its shape is the SDK's `IdGenerator`, of which nothing is imported.

import { randomHex } from '../core/ports.js'

export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
}

/** For the span that is being made right now: that takes no turn of the event loop. */
let wanted: SpanIds | undefined

/**
 * Gives the spans of executions the ids that every node derives for them.
 *
 * @example
 * new NodeSDK({ idGenerator: traceIds, traceExporter: new OTLPTraceExporter() }).start()
 */
export const traceIds: { generateTraceId(): string; generateSpanId(): string } = {
  generateTraceId: () => wanted?.traceId ?? randomHex(16),
  generateSpanId: () => wanted?.spanId ?? randomHex(8),
}

export function withIds<T>(ids: SpanIds, make: () => T): T {
  wanted = ids
  try {
    return make()
  } finally {
    wanted = undefined
  }
}
