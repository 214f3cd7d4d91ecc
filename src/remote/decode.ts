// Data of ours out of JSON: instants are put back, everything else is as it came.

import type { ExecutionDetails, ExecutionInfo, HistoryEvent } from '../client/client.js'
import type { ClusterStats } from '../client/cluster.js'
import type { ScheduleDetails, ScheduleInfo } from '../client/schedules.js'
import type { CheckedSpec } from '../core/schedule-spec.js'
import type { Wire } from './json.js'

export function infoOf(info: Wire<ExecutionInfo>): ExecutionInfo {
  return { ...info, startedAt: new Date(info.startedAt), closedAt: dated(info.closedAt) }
}

export function detailsOf(details: Wire<ExecutionDetails>): ExecutionDetails {
  return { ...details, ...infoOf(details) }
}

export function eventOf({ at, dueAt, ...event }: Wire<HistoryEvent>): HistoryEvent {
  return { ...event, at: new Date(at), ...(dueAt === undefined ? {} : { dueAt: new Date(dueAt) }) }
}

export function scheduleOf(info: Wire<ScheduleInfo>): ScheduleInfo {
  return {
    ...info,
    spec: specOf(info.spec),
    nextAt: dated(info.nextAt),
    lastAt: dated(info.lastAt),
    bufferedAt: dated(info.bufferedAt),
    createdAt: new Date(info.createdAt),
    updatedAt: new Date(info.updatedAt),
  }
}

export function scheduleDetailsOf({ input, upcoming, ...info }: Wire<ScheduleDetails>): ScheduleDetails {
  return { ...scheduleOf(info), input, upcoming: upcoming.map((at) => new Date(at)) }
}

function specOf({ from, until, ...spec }: Wire<CheckedSpec>): CheckedSpec {
  return {
    ...spec,
    ...(from === undefined ? {} : { from: new Date(from) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
  }
}

export function clusterOf({ at, nodes, ...rest }: Wire<ClusterStats>): ClusterStats {
  return {
    ...rest,
    at: new Date(at),
    nodes: nodes.map((node) => ({
      ...node,
      startedAt: new Date(node.startedAt),
      renewedAt: new Date(node.renewedAt),
    })),
  }
}

function dated(text: string | null): Date | null {
  return text === null ? null : new Date(text)
}
