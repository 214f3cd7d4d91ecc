import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/cli/config.js'
import { errorCode } from '../../src/core/errors.js'

const failure = (env: Record<string, string>, flags = {}): unknown => {
  try {
    return readConfig(flags, env)
  } catch (error) {
    return error
  }
}

describe('settings', () => {
  test('have defaults that need no database and open no port to the network', () => {
    expect(readConfig({}, {})).toMatchObject({
      databaseUrl: undefined,
      host: '127.0.0.1',
      schema: 'cerebelum',
    })
  })

  test('come from variables, and from flags before variables', () => {
    const env = { CEREBELUM_PORT: '8000', CEREBELUM_REGION: 'eu-west' }
    expect(readConfig({}, env)).toMatchObject({ port: 8000, region: 'eu-west' })
    expect(readConfig({ port: '9000' }, env)).toMatchObject({ port: 9000 })
  })

  test.each([
    ['--data-dir', { dataDir: 'here' }],
    ['--database-port', { databasePort: '5433' }],
  ])('that name a database and the embedded one by %s clash', (flag, flags) => {
    const error = failure({}, { databaseUrl: 'postgres://localhost/x', ...flags })
    expect(errorCode(error)).toBe('SETTINGS')
    expect(String(error)).toContain(`--database-url and ${flag} clash`)
    expect(failure({ CEREBELUM_DATABASE_URL: 'postgres://localhost/x' }, flags)).not.toBeInstanceOf(Error)
  })

  test('take several origins, with commas between them', () => {
    const env = { CEREBELUM_CORS_ORIGINS: 'https://a.example, http://localhost:3000' }
    expect(readConfig({}, env).corsOrigins).toEqual(['https://a.example', 'http://localhost:3000'])
  })

  test('that are empty count as absent', () => {
    expect(readConfig({}, { CEREBELUM_DATABASE_URL: '', CEREBELUM_PORT: '' }).port).toBe(
      readConfig({}, {}).port,
    )
  })

  test('that Kubernetes injects for a Service of our name are not ours', () => {
    expect(readConfig({}, { CEREBELUM_PORT: 'tcp://10.0.0.7:4000' }).port).toBe(readConfig({}, {}).port)
  })

  test.each([
    ['CEREBELUM_PORT', '70000'],
    ['CEREBELUM_PORT', 'abc'],
    ['CEREBELUM_CONNECTIONS', '0'],
    ['CEREBELUM_SCHEMA', 'drop table;'],
    ['CEREBELUM_LOG_LEVEL', 'loud'],
    ['CEREBELUM_CORS_ORIGINS', '*'],
    ['CEREBELUM_CORS_ORIGINS', 'https://a.example/path'],
    ['CEREBELUM_DATABASE_URL', 'mysql://localhost/x'],
  ])('that are wrong are named: %s=%s', (name, value) => {
    const error = failure({ [name]: value })
    expect(errorCode(error)).toBe('SETTINGS')
    expect(String(error)).toContain(name)
  })

  test('that are wrong as flags are named as flags', () => {
    expect(String(failure({}, { logLevel: 'loud' }))).toContain('--log-level is "loud"')
  })

  test('never show the password of a wrong database URL', () => {
    expect(String(failure({ CEREBELUM_DATABASE_URL: 'mysql://me:hunter2@localhost/x' }))).not.toContain(
      'hunter2',
    )
  })
})
