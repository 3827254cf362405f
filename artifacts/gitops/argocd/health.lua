-- Health of the kinds of kafka.openshift.io for Argo CD: see docs/gitops.md.
local function condition(kind)
  for _, c in ipairs((obj.status or {}).conditions or {}) do
    if c.type == kind then
      return c
    end
  end
  return {}
end

local function health(status, message)
  return {status = status, message = message or ""}
end

local observed = (obj.status or {}).observedGeneration
if observed ~= nil and obj.metadata.generation ~= nil and observed < obj.metadata.generation then
  return health("Progressing", "the last change of the spec has not been looked at yet")
end
local ready, stalled, degraded = condition("Ready"), condition("Stalled"), condition("Degraded")
if stalled.status == "True" then
  return health("Degraded", stalled.message)
end
if degraded.status == "True" then
  return health("Degraded", degraded.message)
end
if ready.status == "True" then
  return health("Healthy", ready.message)
end
return health("Progressing", ready.message or "nobody has looked at the object yet")
