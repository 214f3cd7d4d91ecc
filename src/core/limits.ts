// Every bound of the engine in one place: a queue, batch, page, payload, retry or loop that is not
// bounded by one of these is a bug. Sizes are bytes of UTF-8 unless the name says otherwise.

/** Bounds that an installation may change through `createEngine({ limits })`. */
export interface Limits {
  /** One encoded payload (input, output, step result, signal, update): bytes. */
  readonly payloadBytesMax: number
  /** Events of one run from which a warning is logged. */
  readonly historyEventsWarn: number
  /** Events of one run at which it is failed with the hint to continue as new. */
  readonly historyEventsMax: number
  /** Characters of an execution id, workflow, step, signal or update name. */
  readonly idCharactersMax: number
  readonly nameCharactersMax: number
  /** Executions of one `startMany` call. */
  readonly startManyMax: number
  /** Steps of one execution that run at the same time; more wait their turn. */
  readonly stepsPerExecutionMax: number
  /** Steps of one node that run at the same time; more wait their turn. */
  readonly stepsPerNodeMax: number
  /** Messages waiting in one execution's inbox; more are refused with TOO_MANY. */
  readonly inboxMax: number
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytesMax: 1_048_576,
  historyEventsWarn: 10_000,
  historyEventsMax: 50_000,
  idCharactersMax: 200,
  nameCharactersMax: 100,
  startManyMax: 10_000,
  stepsPerExecutionMax: 1_000,
  stepsPerNodeMax: 4_000,
  inboxMax: 10_000,
}
