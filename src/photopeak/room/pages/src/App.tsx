import { useEffect, useState } from 'preact/hooks'
import { type Session, get, send, setCsrf } from './api'
import { Admin } from './pages/Admin'
import { CohortPage, Cohorts } from './pages/Cohorts'
import { Consensus } from './pages/Consensus'
import { Imports } from './pages/Imports'
import { Models } from './pages/Models'
import { PatientsPage } from './pages/Patients'
import { PlannedPage } from './pages/Planned'
import { Reading } from './pages/Reading'
import { ReportPage } from './pages/Report'
import { SignIn } from './pages/SignIn'
import { WorklistPage } from './pages/Worklist'
import { follow, go, useAddress } from './router'

export function App() {
  const [session, setSession] = useState<Session | null>(null)
  const [fault, setFault] = useState('')
  const address = useAddress()
  const load = () =>
    get<Session>('/api/session')
      .then((s) => {
        setCsrf(s.csrf)
        setSession(s)
        setFault('')
      })
      .catch((e: Error) => setFault(e.message))
  useEffect(() => {
    void load()
    const out = () => void load()
    window.addEventListener('signed-out', out)
    return () => window.removeEventListener('signed-out', out)
  }, [])
  useTheme()
  if (fault) return <main class="message"><p role="alert">{fault}</p><button onClick={() => void load()}>Try again</button></main>
  if (!session) return <main class="message" aria-busy="true" />
  if (!session.user) return <SignIn session={session} onDone={load} />
  return (
    <div class="frame" onClick={follow}>
      <Bar session={session} path={address.pathname} onOut={load} />
      <Page session={session} address={address} />
    </div>
  )
}

function Page({ session, address }: { session: Session; address: URL }) {
  const user = session.user!
  const path = address.pathname
  const study = /^\/studies\/(\d+)$/.exec(path)
  const report = /^\/studies\/(\d+)\/report$/.exec(path)
  const cohort = /^\/cohorts\/(\d+)$/.exec(path)
  const consensus = /^\/cohorts\/(\d+)\/studies\/(\d+)$/.exec(path)
  if (study) return <Reading key={address.href} study={Number(study[1])} cohort={Number(address.searchParams.get('cohort') ?? 0)} user={user} />
  if (report) return <ReportPage key={path} study={Number(report[1])} user={user} demo={session.demo} />
  if (consensus) return <Consensus key={path} cohort={Number(consensus[1])} study={Number(consensus[2])} user={user} />
  if (cohort) return <CohortPage key={path} cohort={Number(cohort[1])} user={user} />
  if (path === '/cohorts') return <Cohorts user={user} />
  if (path === '/models') return <Models user={user} />
  if (path === '/imports') return <Imports user={user} />
  if (path === '/admin') return <Admin />
  if (path === '/admin/planned') return <PlannedPage />
  if (path === '/admin/patients') return <PatientsPage />
  return <WorklistPage user={user} />
}

function Bar({ session, path, onOut }: { session: Session; path: string; onOut: () => void }) {
  const user = session.user!
  const links: [string, string, boolean][] = [
    ['/', 'Worklist', true],
    ['/cohorts', 'Cohorts', user.may.includes('read') || user.may.includes('cohorts')],
    ['/models', 'Network', true],
    ['/imports', 'Imports', user.may.includes('read') || user.may.includes('store')],
    ['/admin', 'Administration', user.may.includes('administer')],
  ]
  return (
    <header class="bar">
      <a class="brand" href="/"><img src="/favicon.svg" alt="" width="22" height="22" /> Photopeak</a>
      <nav aria-label="Pages">
        {links.filter((l) => l[2]).map(([href, name]) => (
          <a key={href} href={href} aria-current={path === href || (href === '/admin' && path.startsWith('/admin/')) ? 'page' : undefined}>{name}</a>
        ))}
      </nav>
      <span class="notice">{session.notice}</span>
      <button class="quiet" onClick={toggleTheme} title="Light or dark" aria-label="Light or dark">◐</button>
      <span class="who" title={user.role}>{user.display}</span>
      <button class="quiet" onClick={() => void send('DELETE', '/api/session').then(() => { go('/'); onOut() })}>Sign out</button>
    </header>
  )
}

function toggleTheme() {
  const dark = document.documentElement.dataset.theme === 'dark'
  document.documentElement.dataset.theme = dark ? 'light' : 'dark'
  localStorage.setItem('theme', dark ? 'light' : 'dark')
}

function useTheme() {
  useEffect(() => {
    const kept = localStorage.getItem('theme')
    const dark = kept ? kept === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  }, [])
}
