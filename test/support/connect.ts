// A plain SQL client for tests that look into the database themselves. The caller ends it.

import postgres from 'postgres'

/** A plain client for a URL; `?host=/folder` means the Unix socket in that folder, which the driver does not know. */
export function connect(url: string, options: postgres.Options<Record<string, never>> = {}): postgres.Sql {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  parsed.searchParams.delete('host')
  return postgres(parsed.href, { onnotice: () => undefined, ...(host === null ? {} : { host }), ...options })
}
