// Planned examinations, day by day: what the modality worklist tells the cameras.

import { useEffect, useState } from 'preact/hooks'
import { get, send } from '../api'
import { date, personName, stamp, time } from '../words'
import { AdminTabs } from './AdminTabs'

interface Examination {
  key: number
  patient_id: string
  issuer: string
  name: string
  birth_date: string
  sex: string
  accession: string
  study_uid: string
  description: string
  station: string
  start_date: string
  start_time: string
  arrived: number | null
}

interface Plan {
  days: { day: string; examinations: number }[]
  examinations: Examination[]
  asked: { who: string; at: string; told: number }[]
}

/** `2026-03-02` of a date field, `08:30` of a time field: as DICOM writes them. */
const digits = (text: string | undefined) => (text ?? '').replace(/[-:]/g, '')

function today(): string {
  const now = new Date()
  return `${now.getFullYear()}${String(now.getMonth() + 1).padStart(2, '0')}${String(now.getDate()).padStart(2, '0')}`
}

function shifted(day: string, by: number): string {
  const at = new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6)) + by))
  return at.toISOString().slice(0, 10).replaceAll('-', '')
}

export function PlannedPage() {
  const [day, setDay] = useState(today())
  const [plan, setPlan] = useState<Plan | null>(null)
  const [fault, setFault] = useState('')
  const [said, setSaid] = useState('')
  const failed = (e: Error) => setFault(e.message)
  const load = (of: string) => get<Plan>(`/api/admin/scheduled?day=${of}`).then((p) => { setPlan(p); setFault('') }, failed)
  useEffect(() => {
    setPlan(null)
    void load(day)
  }, [day])
  const add = async (form: HTMLFormElement) => {
    const f = Object.fromEntries(new FormData(form)) as Record<string, string>
    const { family, given, ...rest } = f
    try {
      await send('POST', '/api/admin/scheduled', { ...rest, name: [family, given].filter(Boolean).join('^'), birth_date: digits(f.birth_date), start_date: digits(f.start_date), start_time: digits(f.start_time) })
      setSaid(`${personName([family, given].filter(Boolean).join('^'))} is planned for ${f.start_date}, ${f.start_time}.`)
      form.reset()
      if (digits(f.start_date) === day) await load(day)
      else setDay(digits(f.start_date))
    } catch (e) {
      failed(e as Error)
    }
  }
  const cancel = async (x: Examination) => {
    try {
      await send('DELETE', `/api/admin/scheduled/${x.key}`)
      setSaid(`The examination of ${personName(x.name)} at ${time(x.start_time)} is cancelled; the audit trail keeps it.`)
      await load(day)
    } catch (e) {
      failed(e as Error)
    }
  }
  return (
    <main class="plain">
      <AdminTabs at="/admin/planned" />
      <header class="page-head">
        <h1>Planned examinations</h1>
        <span class="day">
          <button aria-label="The day before" onClick={() => setDay(shifted(day, -1))}>←</button>
          <input type="date" aria-label="Day" value={date(day)} onChange={(e) => e.currentTarget.value && setDay(digits(e.currentTarget.value))} />
          <button aria-label="The day after" onClick={() => setDay(shifted(day, 1))}>→</button>
          <button disabled={day === today()} onClick={() => setDay(today())}>today</button>
        </span>
        <Days plan={plan} day={day} onDay={setDay} />
      </header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      {said && !fault && <p class="done" role="status">{said}</p>}
      <div class="plan">
        <section class="card" aria-label="Examinations of the day">
          <table>
            <thead><tr><th>Time</th><th>Patient</th><th>Examination</th><th>Station</th><th>Images</th><th><span class="unseen">Cancel</span></th></tr></thead>
            <tbody>
              {plan?.examinations.map((x) => <Line key={x.key} x={x} onCancel={() => void cancel(x)} />)}
            </tbody>
          </table>
          {plan && plan.examinations.length === 0 && <p class="empty">Nothing is planned for {date(day)}.</p>}
          <Asked plan={plan} />
        </section>
        <Add day={day} onAdd={(form) => void add(form)} />
      </div>
    </main>
  )
}

function Days({ plan, day, onDay }: { plan: Plan | null; day: string; onDay: (day: string) => void }) {
  const near = plan?.days.filter((d) => d.day !== day && d.day >= today()).slice(0, 5) ?? []
  return (
    <span class="near">
      {near.map((d) => <button key={d.day} class="quiet" onClick={() => onDay(d.day)}>{date(d.day)} <span class="count">{d.examinations}</span></button>)}
    </span>
  )
}

function Line({ x, onCancel }: { x: Examination; onCancel: () => void }) {
  const [sure, setSure] = useState(false)
  return (
    <tr data-planned={x.key}>
      <td>{time(x.start_time)}</td>
      <td><strong>{personName(x.name).slice(0, 60)}</strong><small title={x.issuer}>{x.patient_id.slice(0, 40)} {x.sex} {date(x.birth_date)}</small></td>
      <td>{x.description.slice(0, 80) || '–'}<small>{x.accession && `accession ${x.accession}`}</small></td>
      <td>{x.station || 'any'}</td>
      <td>{x.arrived === null ? <small>not here yet</small> : <a href={`/studies/${x.arrived}`}>here</a>}</td>
      <td class="r">
        {x.arrived === null && !sure && <button aria-label={`Cancel ${personName(x.name)} at ${time(x.start_time)}`} onClick={() => setSure(true)}>Cancel</button>}
        {sure && <span class="sure"><button class="danger" onClick={onCancel}>Yes, cancel it</button><button onClick={() => setSure(false)}>Keep it</button></span>}
      </td>
    </tr>
  )
}

function Asked({ plan }: { plan: Plan | null }) {
  if (!plan) return null
  if (!plan.asked.length) return <p class="hint">No camera has asked for the worklist lately.</p>
  return <p class="hint">Last asked for by {plan.asked.map((a) => `${a.who}, ${stamp(a.at)} (${a.told} told)`).join('; ')}. Which of them a camera took over shows when its images come.</p>
}

function Add({ day, onAdd }: { day: string; onAdd: (form: HTMLFormElement) => void }) {
  return (
    <form class="card form grid" aria-label="Plan an examination" onSubmit={(e) => { e.preventDefault(); onAdd(e.currentTarget) }}>
      <h2>Plan one</h2>
      <label>Family name <input name="family" required maxLength={64} /></label>
      <label>Given name <input name="given" maxLength={64} /></label>
      <label>Patient ID <input name="patient_id" required maxLength={64} /></label>
      <label>Issued by <input name="issuer" maxLength={64} placeholder="as the archive has it" /></label>
      <label>Born <input name="birth_date" type="date" max="9999-12-31" /></label>
      <label>Sex <select name="sex"><option value="">not stated</option><option value="F">female</option><option value="M">male</option><option value="O">other</option></select></label>
      <label class="whole">Examination <input name="description" maxLength={64} placeholder="Whole-body bone scan" /></label>
      <label>Accession <input name="accession" maxLength={16} /></label>
      <label>Station (AE title) <input name="station" maxLength={16} placeholder="any" /></label>
      <label>Day <input key={day} name="start_date" type="date" required max="9999-12-31" defaultValue={date(day)} /></label>
      <label>Time <input name="start_time" type="time" required /></label>
      <button class="primary whole">Put it on the worklist</button>
    </form>
  )
}
