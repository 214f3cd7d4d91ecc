// A client that must not be reached: every call fails the test. For requests that have to be refused at the border.

import type { Client } from '../../src/client/client.js'

export function unreachableClient(): Client {
  const reached = (): never => {
    throw new Error('the client was reached by a request that should have been refused')
  }
  return {
    schedules: {
      create: reached,
      describe: reached,
      list: reached,
      update: reached,
      pause: reached,
      resume: reached,
      trigger: reached,
      backfill: reached,
      delete: reached,
    },
    start: reached,
    startMany: reached,
    get: reached,
    list: reached,
    history: reached,
    result: reached,
    signal: reached,
    query: reached,
    update: reached,
    cancel: reached,
    terminate: reached,
    pause: reached,
    resume: reached,
    retry: reached,
    fork: reached,
    delete: reached,
    workflows: reached,
    workflow: reached,
    clusterStats: reached,
    throughput: reached,
    watchCluster: reached,
    follow: reached,
    watchList: reached,
    ping: reached,
    close: reached,
  }
}
