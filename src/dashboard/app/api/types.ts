// What the API answers, as types: those of the client, as JSON carries them. A change of the client that the pages do
// not follow is an error of the compiler.

import type { ExecutionDetails, ExecutionInfo, HistoryEvent, ListPage } from '../../../client/client.js'
import type { ClusterNodeStats, ClusterStats } from '../../../client/cluster.js'
import type { ScheduleInfo } from '../../../client/schedules.js'
import type { ExecutionStatus } from '../../../core/execution.js'
import type { Failure } from '../../../core/failure.js'

/** Dates are texts in JSON. */
export type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Json<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Json<T[Key]> }
      : T

export type Status = ExecutionStatus
export type ExecutionRow = Json<ExecutionInfo>
export type Execution = Json<ExecutionDetails>
export type ExecutionPage = Json<ListPage>
export type Recorded = Json<HistoryEvent>
export type FailureData = Json<Failure>
export type Cluster = Json<ClusterStats>
export type Node = Json<ClusterNodeStats>
export type Schedule = Json<ScheduleInfo>
