// The door `cerebelum/client`: a client over HTTP, for browsers, Deno, Bun, edge workers and Node alike. It loads nothing of
// Node's, and nothing of the engine.

export { createClient, type RemoteClientOptions } from './remote/create-client.js'
export type { RemoteClient, RemoteHandle, StartOutcome } from './remote/client.js'
export type { Json } from './remote/json.js'
export type { ExecutionDetails, ExecutionInfo, HistoryEvent, ListFilter } from './client/client.js'
export { CerebelumError, errorCode } from './core/errors.js'
