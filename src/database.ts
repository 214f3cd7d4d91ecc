// The door `cerebelum/database`: a client straight on the database, for programs that start, watch and steer executions and
// host no workflows. It loads neither the engine nor the authoring side.

export { createClient } from './client/open-client.js'
export type {
  Client,
  ExecutionDetails,
  ExecutionInfo,
  Handle,
  HistoryEvent,
  HistoryPage,
  ListFilter,
  ListPage,
  ResultOptions,
  StartOptions,
  StartRequest,
} from './client/client.js'
export type { ScheduleRequest } from './client/schedules.js'
export { CerebelumError, errorCode } from './core/errors.js'
