// When schedules fire, as a table: time zones, changes of the clocks, intervals, bounds, and what is refused.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkSpec, formatSpec, parseSpec, timesOf, type ScheduleSpec } from '../../src/core/schedule-spec.js'

/** The times of a schedule that follow an instant, each from the one before, as the engine walks them. */
function walk(spec: ScheduleSpec, from: string, count: number): string[] {
  const next = timesOf(parseSpec(formatSpec(checkSpec(spec))))
  const times: string[] = []
  for (let time = next(new Date(from)); time !== null && times.length < count; time = next(time))
    times.push(time.toISOString().replace(':00.000Z', 'Z'))
  return times
}

describe('when clocks go forward', () => {
  test('a time of day that does not exist is the end of the gap, on that day alone', () => {
    expect(walk({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ])
  })
  test('several of them are one', () => {
    expect(walk({ cron: '15,45 2 * * *', timeZone: 'America/New_York' }, '2026-03-08T00:00:00Z', 3)).toEqual([
      '2026-03-08T07:00Z',
      '2026-03-09T06:15Z',
      '2026-03-09T06:45Z',
    ])
  })
  test('what repeats goes on by the elapsed clock', () => {
    expect(walk({ cron: '*/30 * * * *', timeZone: 'Europe/Berlin' }, '2026-03-29T00:15:00Z', 3)).toEqual([
      '2026-03-29T00:30Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
    ])
  })
  test('by half an hour, and at midnight', () => {
    expect(walk({ cron: '15 2 * * *', timeZone: 'Australia/Lord_Howe' }, '2026-10-02T18:00:00Z', 2)).toEqual([
      '2026-10-03T15:30Z',
      '2026-10-04T15:15Z',
    ])
    expect(walk({ cron: '0 0 * * *', timeZone: 'Africa/Cairo' }, '2026-04-22T23:00:00Z', 3)).toEqual([
      '2026-04-23T22:00Z',
      '2026-04-24T21:00Z',
      '2026-04-25T21:00Z',
    ])
  })
  test('by a whole day that was left out', () => {
    expect(walk({ cron: '0 12 * * *', timeZone: 'Pacific/Apia' }, '2011-12-29T00:00:00Z', 2)).toEqual([
      '2011-12-29T22:00Z',
      '2011-12-30T22:00Z',
    ])
  })
})

describe('when clocks go back', () => {
  test('a time of day that comes twice is its first occurrence', () => {
    const spec = { cron: '30 2 * * *', timeZone: 'Europe/Berlin' }
    expect(walk(spec, '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30Z', '2026-10-26T01:30Z'])
    // Also when asked between the two, as by somebody who resumes it then.
    expect(walk(spec, '2026-10-25T00:30:00Z', 1)).toEqual(['2026-10-26T01:30Z'])
    expect(walk(spec, '2026-10-25T01:10:00Z', 1)).toEqual(['2026-10-26T01:30Z'])
  })
  test('what repeats runs in both hours', () => {
    expect(walk({ cron: '30 * * * *', timeZone: 'America/New_York' }, '2026-11-01T05:00:00Z', 3)).toEqual([
      '2026-11-01T05:30Z',
      '2026-11-01T06:30Z',
      '2026-11-01T07:30Z',
    ])
  })
})

describe('expressions', () => {
  test.each<[string, ScheduleSpec, string[]]>([
    ['seconds', { cron: '*/20 * * * * *' }, ['2026-01-01T00:00:20.000Z', '2026-01-01T00:00:40.000Z']],
    ['names', { cron: '0 9 * FEB MON' }, ['2026-02-02T09:00Z', '2026-02-09T09:00Z']],
    ['the last day of the month', { cron: '0 0 L * *' }, ['2026-01-31T00:00Z', '2026-02-28T00:00Z']],
    ['a nickname', { cron: '@daily' }, ['2026-01-02T00:00Z', '2026-01-03T00:00Z']],
    ['leap days', { cron: '0 0 29 2 *' }, ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
    [
      'several together',
      { cron: ['0 6 * * *', '0 18 * * *', '0 6 1 * *'], timeZone: 'UTC' },
      ['2026-01-01T06:00Z', '2026-01-01T18:00Z'],
    ],
    ['an interval', { every: '90m' }, ['2026-01-01T01:30Z', '2026-01-01T03:00Z']],
    [
      'an interval with an offset',
      { every: '1h', offset: '10m' },
      ['2026-01-01T00:10Z', '2026-01-01T01:10Z'],
    ],
    [
      'bounds: the first at `from`, none at `until`',
      { every: '1h', from: new Date('2026-01-01T05:00:00Z'), until: new Date('2026-01-01T06:00:00Z') },
      ['2026-01-01T05:00Z'],
    ],
  ])('%s', (_what, spec, expected) => {
    expect(walk(spec, '2026-01-01T00:00:00Z', 2)).toEqual(expected)
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['neither', {}],
    ['both', { cron: '* * * * *', every: 1_000 }],
    ['an unknown field', { cron: '* * * * *', timezone: 'UTC' }],
    ['too few fields', { cron: '* * *' }],
    ['seven fields', { cron: '* * * * * * 2026' }],
    ['an instant', { cron: '2026-01-01T00:00:00' }],
    ['a minute out of range', { cron: '60 * * * *' }],
    ['words', { cron: 'every day' }],
    ['a number', { cron: 5 }],
    ['no expressions', { cron: [] }],
    ['too many expressions', { cron: Array.from({ length: 51 }, () => '* * * * *') }],
    ['a long expression', { cron: `${'1,'.repeat(200)}1 * * * *` }],
    ['an unknown time zone', { cron: '* * * * *', timeZone: 'Europe/Atlantis' }],
    ['an offset as a time zone', { cron: '* * * * *', timeZone: '+02:00' }],
    ['a time zone of an interval', { every: 1_000, timeZone: 'UTC' }],
    ['an interval that is too short', { every: 99 }],
    ['an interval in parts of a millisecond', { every: 100.5 }],
    ['an endless interval', { every: '1000 years' }],
  ])('%s is refused', (_what, spec) => {
    expect(() => checkSpec(spec)).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE' }))
  })
})

const zone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
)
const field = (max: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: 0, max }).map(String),
    fc.integer({ min: 1, max }).map((step) => `*/${step}`),
  )
const spec: fc.Arbitrary<ScheduleSpec> = fc.oneof(
  fc.record({
    cron: fc.tuple(field(59), field(23)).map(([minute, hour]) => `${minute} ${hour} * * *`),
    timeZone: zone,
  }),
  fc.record({ every: fc.integer({ min: 100, max: 10 ** 9 }), offset: fc.integer({ min: 0, max: 10 ** 9 }) }),
)
/** Around the changes of the clocks as well as anywhere. */
const instant = fc.oneof(
  fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2028, 0) }),
  fc.integer({ min: -7_200_000, max: 7_200_000 }).map((ms) => Date.UTC(2026, 2, 29, 1) + ms),
  fc.integer({ min: -7_200_000, max: 7_200_000 }).map((ms) => Date.UTC(2026, 9, 25, 1) + ms),
  fc.integer({ min: -7_200_000, max: 7_200_000 }).map((ms) => Date.UTC(2026, 10, 1, 6) + ms),
)

describe('for any schedule', () => {
  test('the next time is later than the instant that is asked for', () => {
    fc.assert(
      fc.property(spec, instant, (given, at) => {
        const next = timesOf(checkSpec(given))(new Date(at))
        expect(next?.getTime()).toBeGreaterThan(at)
      }),
    )
  })
  test('asking at any instant in between gives the same next time', () => {
    fc.assert(
      fc.property(spec, instant, fc.double({ min: 0, max: 0.999, noNaN: true }), (given, at, part) => {
        const next = timesOf(checkSpec(given))
        const first = next(new Date(at))?.getTime() ?? 0
        expect(next(new Date(at + Math.floor((first - at) * part)))?.getTime()).toBe(first)
      }),
    )
  })
})
