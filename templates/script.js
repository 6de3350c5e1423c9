history.replaceState(null, "", location.origin + location.pathname)
addEventListener("pageshow", event => { if (event.persisted) location.reload() })
