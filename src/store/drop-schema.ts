// Drops a schema with all that is in it: for the throw-away schemas of tests and calibrations, never for an
// installation.

import { CerebelumError } from '../core/errors.js'
import { asStoreError } from './failures.js'
import { createPool } from './pool.js'
import { reportingSchema } from './tables.js'

/** Names that may be dropped; whatever a caller gets wrong, an installation is safe. */
const THROW_AWAY = /^cerebelum_(test|calibration)_[0-9a-f]+$/

export async function dropSchema(place: { readonly url: string; readonly schema: string }): Promise<void> {
  const { url, schema } = place
  if (!THROW_AWAY.test(schema)) {
    const text = `The schema "${schema}" was not made to be thrown away and is not dropped. Drop it by hand if you mean to.`
    throw new CerebelumError('INVALID_ARGUMENT', text)
  }
  const name = 'cerebelum drop'
  const pool = createPool({ url, connections: 1, statementTimeoutMs: TIMEOUT_MS, settings: false, name })
  try {
    for (const name of [reportingSchema(schema), schema])
      await pool`drop schema if exists ${pool(name)} cascade`
  } catch (error) {
    throw asStoreError(error, { call: 'dropSchema', doubtful: false })
  } finally {
    await pool.end({ timeout: CLOSE_SECONDS })
  }
}

// DDL takes CockroachDB seconds.
const TIMEOUT_MS = 60_000
const CLOSE_SECONDS = 5
