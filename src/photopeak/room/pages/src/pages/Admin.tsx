import { useEffect, useState } from 'preact/hooks'
import { get, send } from '../api'
import { AdminTabs } from './AdminTabs'

interface Account { key: number; name: string; display: string; role: string; active: boolean; locked: boolean }
interface Destination { key: number; ae_title: string; host: string; port: number; tls: boolean; forward: string; queue: Record<string, string | number> }
interface Line { key: number; at: string; who: string; action: string; outcome: string; what: string; details: Record<string, unknown> }

const ROLES = ['physician', 'annotator', 'researcher', 'administrator']

/** The details of a line in words: `cancelled: name Doe^Jane, start_date 20260302`. */
function told(details: Record<string, unknown>): string {
  const one = (v: unknown): string =>
    v !== null && typeof v === 'object' ? Object.entries(v).filter(([, x]) => x !== '' && x !== null).map(([k, x]) => (Array.isArray(v) ? one(x) : `${k} ${one(x)}`)).join(', ') : String(v)
  return Object.entries(details).filter(([, v]) => v !== '' && v !== null).map(([k, v]) => (v !== null && typeof v === 'object' ? `${k}: ${one(v)}` : `${k} ${one(v)}`)).join('; ')
}

/** What is known of the trail's own state. */
function wholeness({ broken_at, lost }: { broken_at: number | null; lost: number | null }): string {
  if (broken_at !== null) return `CHANGED at line ${broken_at}`
  return lost === null ? 'its chain is whole' : `CUT OFF: line ${lost} was here`
}

export function Admin() {
  const [users, setUsers] = useState<Account[]>([])
  const [places, setPlaces] = useState<Destination[]>([])
  const [trail, setTrail] = useState<{ lines: Line[]; broken_at: number | null; lost: number | null } | null>(null)
  const [fault, setFault] = useState('')
  const failed = (e: Error) => setFault(e.message)
  const load = () => {
    get<Account[]>('/api/admin/users').then(setUsers, failed)
    get<Destination[]>('/api/admin/destinations').then(setPlaces, failed)
    get<typeof trail>('/api/admin/audit').then(setTrail, failed)
  }
  useEffect(load, [])
  const done = () => { setFault(''); load() }
  const fields = (e: Event) => Object.fromEntries(new FormData(e.currentTarget as HTMLFormElement)) as Record<string, string>
  return (
    <main class="plain">
      <AdminTabs at="/admin" />
      <header class="page-head"><h1>Administration</h1></header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <div class="two">
        <section class="card">
          <h2>Accounts</h2>
          <table>
            <thead><tr><th>Name</th><th>Shown as</th><th>Role</th><th>State</th></tr></thead>
            <tbody>{users.map((u) => (
              <tr key={u.key}><td>{u.name}</td><td>{u.display}</td>
                <td><select aria-label={`Role of ${u.name}`} value={u.role} onChange={(e) => void send('PUT', `/api/admin/users/${u.key}`, { role: e.currentTarget.value }).then(done, failed)}>{ROLES.map((r) => <option key={r}>{r}</option>)}</select></td>
                <td><button onClick={() => void send('PUT', `/api/admin/users/${u.key}`, { active: !u.active }).then(done, failed)}>{u.active ? (u.locked ? 'locked' : 'close') : 'open'}</button></td></tr>
            ))}</tbody>
          </table>
          <form class="inline-form" onSubmit={(e) => { e.preventDefault(); void send('POST', '/api/admin/users', fields(e)).then(done, failed) }}>
            <input name="name" placeholder="name" aria-label="Name" required /><input name="display" placeholder="shown as" aria-label="Shown as" />
            <select name="role" aria-label="Role">{ROLES.map((r) => <option key={r}>{r}</option>)}</select>
            <input name="password" type="password" placeholder="password, 12 characters" aria-label="Password" autocomplete="new-password" /><button>Add</button>
          </form>
        </section>
        <section class="card">
          <h2>Archives</h2>
          <table>
            <thead><tr><th>AE title</th><th>Address</th><th>Sent by itself</th><th>Queue</th></tr></thead>
            <tbody>{places.map((d) => <tr key={d.key}><td>{d.ae_title}</td><td>{d.host}:{d.port}{d.tls ? ' TLS' : ''}</td><td>{d.forward}</td><td>{Object.entries(d.queue).map(([k, v]) => `${k} ${v}`).join(', ') || 'empty'}</td></tr>)}</tbody>
          </table>
          <form class="inline-form" onSubmit={(e) => { e.preventDefault(); const f = fields(e); void send('PUT', '/api/admin/destinations', { ae_title: f.ae_title, host: f.host, port: Number(f.port), forward: f.forward, tls: f.tls === 'on' }).then(done, failed) }}>
            <input name="ae_title" placeholder="AE title" aria-label="AE title" required maxLength={16} /><input name="host" placeholder="host" aria-label="Host" required />
            <input name="port" type="number" min="1" max="65535" placeholder="port" aria-label="Port" required />
            <select name="forward" aria-label="What is sent by itself"><option value="results">results</option><option value="all">everything</option><option value="none">nothing</option></select>
            <label class="inline"><input type="checkbox" name="tls" /> TLS</label><button>Save</button>
          </form>
        </section>
      </div>
      <section class="card">
        <h2>Audit trail <small>{trail ? wholeness(trail) : ''}</small> <a class="small" href="/api/admin/audit/messages" download>as DICOM audit messages</a></h2>
        <table>
          <thead><tr><th>When</th><th>Who</th><th>What</th><th>Outcome</th><th>Of</th></tr></thead>
          <tbody>{trail?.lines.map((l) => <tr key={l.key}><td>{l.at.slice(0, 19).replace('T', ' ')}</td><td>{l.who}</td><td>{l.action}</td><td>{l.outcome}</td><td class="uid">{l.what.slice(0, 70)}<small>{told(l.details).slice(0, 240)}</small></td></tr>)}</tbody>
        </table>
      </section>
    </main>
  )
}
