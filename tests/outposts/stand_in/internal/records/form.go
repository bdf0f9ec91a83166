package records

// Legacy says which release this is: before hash tags or after them.
const Legacy = true
