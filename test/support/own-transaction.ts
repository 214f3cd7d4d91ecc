// A transaction of a caller of ours, begun again when the database says that it is in conflict: CockroachDB may say so of
// any, at its end as well, and to repeat it is the caller's.

import type postgres from 'postgres'

export async function ownTransaction(
  sql: postgres.Sql,
  work: (transaction: postgres.TransactionSql) => Promise<void>,
): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    try {
      await sql.begin(work)
      return
    } catch (error) {
      if (attempts === ATTEMPTS_MAX || !isConflict(error)) throw error
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '40001' || error.code === 'CONFLICT')
}

const ATTEMPTS_MAX = 20
